package zones

import "strings"

// parseFSA takes "A1A", "A1A 1A1", "A1A-1A1" or "A1A1A1" and returns the first
// three characters, the forward sortation area. Its first letter is a province;
// D, F, I, O, Q, U, W and Z are not in use there.
func parseFSA(code string) (string, bool) {
	code = strings.NewReplacer(" ", "", "-", "").Replace(code)
	if len(code) != 3 && len(code) != 6 {
		return "", false
	}
	for i, c := range []byte(code) {
		letter := c >= 'A' && c <= 'Z'
		digit := c >= '0' && c <= '9'
		if i%2 == 0 && !letter || i%2 == 1 && !digit {
			return "", false
		}
	}
	return code[:3], !strings.ContainsAny(code[:1], "DFIOQUWZ")
}

// fsaLines are the zones of forward sortation areas: of one, of those that begin
// alike, or of a whole province; the longest beginning counts. Where an area crosses a
// border of zones, or keeps its neighbour's clock, all of them are named.
const fsaLines = `
A2V,A0R     America/Goose_Bay                                          # Labrador City, Wabush, Churchill Falls
A0P,A0K     America/Goose_Bay,America/St_Johns                         # Labrador's coast: its south keeps Newfoundland's clock
A           America/St_Johns
B,C,G4T     America/Halifax                                            # G4T: Îles-de-la-Madeleine
E           America/Moncton
G0G         America/Toronto,America/Blanc-Sablon                       # the Lower North Shore, east of the Natashquan without summer time
G,H,J,K,L,M,N,P  America/Toronto
P0,P7,P8,P9 America/Toronto,America/Winnipeg,America/Atikokan          # the far north-west, where several clocks meet
R           America/Winnipeg
S9V,S0M     America/Regina,America/Edmonton                            # Lloydminster and around
S0P         America/Regina,America/Winnipeg                            # Creighton keeps Manitoba's clock
S9H,S0N     America/Regina,America/Swift_Current
S           America/Regina
T           America/Edmonton
V1C,V1A,V0A,V0B  America/Edmonton,America/Creston,America/Vancouver    # East Kootenay; Creston
V1G,V1J,V0C America/Dawson_Creek,America/Fort_Nelson,America/Vancouver # Peace River and the Northern Rockies
V           America/Vancouver
X0A,X0B,X0C America/Iqaluit,America/Cambridge_Bay,America/Rankin_Inlet,America/Resolute,America/Atikokan # Nunavut
X           America/Edmonton,America/Inuvik                            # the Northwest Territories
Y           America/Whitehorse
`

// fsaZones finds the zones of a forward sortation area.
func (t *Table) fsaZones(fsa string) []string {
	for n := len(fsa); n > 0; n-- {
		if names, ok := t.fsa[fsa[:n]]; ok {
			return names
		}
	}
	return nil
}
