package zones

// splits are area codes whose zones are known better than the generated table
// knows them: codes that straddle a zone border, and overlays that share the
// ground of an older code. They replace the generated entry.
//
// Source: the table of split area codes in docs/compliance.md; for the Canadian
// ones also the comments of the IANA data (Labrador, the Lower North Shore,
// Lloydminster, Creighton, East Kootenay).
func splits() map[string][]string {
	const (
		eastern  = "America/New_York"
		central  = "America/Chicago"
		mountain = "America/Denver"
		boise    = "America/Boise"
		pacific  = "America/Los_Angeles"
		toronto  = "America/Toronto"
		winnipeg = "America/Winnipeg"
		edmonton = "America/Edmonton"
	)
	table := map[string][]string{
		"684": {"Pacific/Pago_Pago"}, // the library knows only the exchanges in use
		"906": {"America/Detroit", "America/Menominee"},
		"928": {"America/Phoenix", mountain},
		"915": {mountain},
		"907": {"America/Anchorage", "America/Juneau", "America/Adak"},
		"807": {toronto, winnipeg, "America/Atikokan"},
		"867": {
			"America/Whitehorse", "America/Inuvik", "America/Cambridge_Bay",
			"America/Rankin_Inlet", "America/Resolute", "America/Iqaluit",
		},
	}
	for _, g := range []struct{ codes, zones []string }{
		{[]string{"850", "448", "270", "364", "606", "219", "574", "812", "930", "423"}, []string{eastern, central}},
		{[]string{"605", "701", "308", "620", "785"}, []string{central, mountain}},
		{[]string{"208", "986", "541", "458", "775"}, []string{boise, pacific}},
		{[]string{"250", "236", "672", "778"}, []string{
			"America/Vancouver", edmonton, "America/Dawson_Creek", "America/Fort_Nelson", "America/Creston",
		}},
		{[]string{"306", "639", "474"}, []string{"America/Regina", "America/Swift_Current", edmonton, winnipeg}},
		{[]string{"418", "581", "367"}, []string{toronto, "America/Halifax", "America/Blanc-Sablon"}},
		{[]string{"709", "879"}, []string{"America/St_Johns", "America/Goose_Bay"}},
	} {
		for _, code := range g.codes {
			table[code] = g.zones
		}
	}
	return table
}

// wholeUS is where a number of the United States may be when its area code is
// not in the tables: every clock of the states and the territories.
func wholeUS() []string {
	return []string{
		"America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles",
		"America/Anchorage", "America/Adak", "Pacific/Honolulu",
		"America/Puerto_Rico", "Pacific/Guam", "Pacific/Saipan", "Pacific/Pago_Pago",
	}
}
