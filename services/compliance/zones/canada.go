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

// fsaZones maps a forward sortation area to its zones. Where an area crosses a
// border of zones, or keeps its neighbour's clock, all of them are named.
func fsaZones(fsa string) []string {
	const (
		toronto  = "America/Toronto"
		halifax  = "America/Halifax"
		winnipeg = "America/Winnipeg"
		edmonton = "America/Edmonton"
		regina   = "America/Regina"
	)
	switch fsa {
	case "A2V", "A0R": // Labrador City, Wabush, Churchill Falls
		return []string{"America/Goose_Bay"}
	case "A0P", "A0K": // Labrador's coast: its south keeps Newfoundland's clock
		return []string{"America/Goose_Bay", "America/St_Johns"}
	case "G4T": // Îles-de-la-Madeleine
		return []string{halifax}
	case "G0G": // the Lower North Shore, east of the Natashquan without summer time
		return []string{toronto, "America/Blanc-Sablon"}
	case "S9V", "S0M": // Lloydminster and around
		return []string{regina, edmonton}
	case "S0P": // Creighton keeps Manitoba's clock
		return []string{regina, winnipeg}
	case "S9H", "S0N": // Swift Current
		return []string{regina, "America/Swift_Current"}
	case "V1C", "V1A", "V0A", "V0B": // East Kootenay; Creston
		return []string{edmonton, "America/Creston", "America/Vancouver"}
	case "V1G", "V1J", "V0C": // Peace River and the Northern Rockies
		return []string{"America/Dawson_Creek", "America/Fort_Nelson", "America/Vancouver"}
	}
	switch fsa[0] {
	case 'A':
		return []string{"America/St_Johns"}
	case 'B', 'C':
		return []string{halifax}
	case 'E':
		return []string{"America/Moncton"}
	case 'G', 'H', 'J', 'K', 'L', 'M', 'N':
		return []string{toronto}
	case 'P':
		return ontarioNorth(fsa)
	case 'R':
		return []string{winnipeg}
	case 'S':
		return []string{regina}
	case 'T':
		return []string{edmonton}
	case 'V':
		return []string{"America/Vancouver"}
	case 'X':
		return northern(fsa)
	case 'Y':
		return []string{"America/Whitehorse"}
	}
	return nil
}

// ontarioNorth tells the far north-west, where several clocks meet, from the
// rest of northern Ontario.
func ontarioNorth(fsa string) []string {
	switch fsa[:2] {
	case "P0", "P7", "P8", "P9":
		return []string{"America/Toronto", "America/Winnipeg", "America/Atikokan"}
	}
	return []string{"America/Toronto"}
}

// northern tells Nunavut (X0A, X0B, X0C) from the Northwest Territories.
func northern(fsa string) []string {
	switch fsa {
	case "X0A", "X0B", "X0C":
		return []string{
			"America/Iqaluit", "America/Cambridge_Bay", "America/Rankin_Inlet", "America/Resolute", "America/Atikokan",
		}
	}
	return []string{"America/Edmonton", "America/Inuvik"}
}
