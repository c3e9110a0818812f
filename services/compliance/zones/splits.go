package zones

// splitLines are area codes whose zones are known better than the generated table
// knows them: codes that straddle a zone border, and overlays that share the
// ground of an older code. They replace the generated entry.
//
// Source: the table of split area codes in docs/compliance.md; for the Canadian
// ones also the comments of the IANA data (Labrador, the Lower North Shore,
// Lloydminster, Creighton, East Kootenay).
const splitLines = `
684 Pacific/Pago_Pago # the library knows only the exchanges in use
906 America/Detroit,America/Menominee
928 America/Phoenix,America/Denver
915 America/Denver
907 America/Anchorage,America/Juneau,America/Adak
850,448,270,364,606,219,574,812,930,423 America/New_York,America/Chicago
605,701,308,620,785 America/Chicago,America/Denver
208,986,541,458,775 America/Boise,America/Los_Angeles
807 America/Toronto,America/Winnipeg,America/Atikokan
867 America/Whitehorse,America/Inuvik,America/Cambridge_Bay,America/Rankin_Inlet,America/Resolute,America/Iqaluit
250,236,672,778 America/Vancouver,America/Edmonton,America/Dawson_Creek,America/Fort_Nelson,America/Creston
306,639,474 America/Regina,America/Swift_Current,America/Edmonton,America/Winnipeg
418,581,367 America/Toronto,America/Halifax,America/Blanc-Sablon
709,879 America/St_Johns,America/Goose_Bay
`

// wholeUS is where a number of the United States may be when its area code is
// not in the tables: every clock of the states and the territories.
func wholeUS() []string {
	return []string{
		"America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles",
		"America/Anchorage", "America/Adak", "Pacific/Honolulu",
		"America/Puerto_Rico", "Pacific/Guam", "Pacific/Saipan", "Pacific/Pago_Pago",
	}
}
