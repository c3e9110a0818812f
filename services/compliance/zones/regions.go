package zones

import "strings"

// regionLines holds every state, territory and province of the United States
// and Canada: code, zones, name. A region with two clocks has both.
const regionLines = `
US-AL America/Chicago Alabama
US-AK America/Anchorage,America/Juneau,America/Adak Alaska
US-AZ America/Phoenix,America/Denver Arizona
US-AR America/Chicago Arkansas
US-CA America/Los_Angeles California
US-CO America/Denver Colorado
US-CT America/New_York Connecticut
US-DE America/New_York Delaware
US-DC America/New_York District of Columbia
US-FL America/New_York,America/Chicago Florida
US-GA America/New_York Georgia
US-HI Pacific/Honolulu Hawaii
US-ID America/Boise,America/Los_Angeles Idaho
US-IL America/Chicago Illinois
US-IN America/New_York,America/Chicago Indiana
US-IA America/Chicago Iowa
US-KS America/Chicago,America/Denver Kansas
US-KY America/New_York,America/Chicago Kentucky
US-LA America/Chicago Louisiana
US-ME America/New_York Maine
US-MD America/New_York Maryland
US-MA America/New_York Massachusetts
US-MI America/Detroit,America/Menominee Michigan
US-MN America/Chicago Minnesota
US-MS America/Chicago Mississippi
US-MO America/Chicago Missouri
US-MT America/Denver Montana
US-NE America/Chicago,America/Denver Nebraska
US-NV America/Los_Angeles,America/Boise Nevada
US-NH America/New_York New Hampshire
US-NJ America/New_York New Jersey
US-NM America/Denver New Mexico
US-NY America/New_York New York
US-NC America/New_York North Carolina
US-ND America/Chicago,America/Denver North Dakota
US-OH America/New_York Ohio
US-OK America/Chicago Oklahoma
US-OR America/Los_Angeles,America/Boise Oregon
US-PA America/New_York Pennsylvania
US-RI America/New_York Rhode Island
US-SC America/New_York South Carolina
US-SD America/Chicago,America/Denver South Dakota
US-TN America/Chicago,America/New_York Tennessee
US-TX America/Chicago,America/Denver Texas
US-UT America/Denver Utah
US-VT America/New_York Vermont
US-VA America/New_York Virginia
US-WA America/Los_Angeles Washington
US-WV America/New_York West Virginia
US-WI America/Chicago Wisconsin
US-WY America/Denver Wyoming
US-PR America/Puerto_Rico Puerto Rico
US-VI America/St_Thomas Virgin Islands
US-GU Pacific/Guam Guam
US-AS Pacific/Pago_Pago American Samoa
US-MP Pacific/Saipan Northern Mariana Islands
CA-AB America/Edmonton Alberta
CA-BC America/Vancouver,America/Edmonton,America/Dawson_Creek,America/Fort_Nelson,America/Creston British Columbia
CA-MB America/Winnipeg Manitoba
CA-NB America/Moncton New Brunswick
CA-NL America/St_Johns,America/Goose_Bay Newfoundland and Labrador
CA-NS America/Halifax Nova Scotia
CA-NT America/Edmonton,America/Inuvik Northwest Territories
CA-NU America/Cambridge_Bay,America/Rankin_Inlet,America/Resolute,America/Iqaluit,America/Atikokan Nunavut
CA-ON America/Toronto,America/Winnipeg,America/Atikokan Ontario
CA-PE America/Halifax Prince Edward Island
CA-QC America/Toronto,America/Halifax,America/Blanc-Sablon Quebec
CA-SK America/Regina,America/Swift_Current,America/Edmonton,America/Winnipeg Saskatchewan
CA-YT America/Whitehorse Yukon
`

// readRegions indexes the lines by "US-TX", "TX" and "texas". No two regions
// of the two countries share a code or a name.
func readRegions() map[string][]string {
	table := map[string][]string{}
	for f := range rows(regionLines) {
		_, short, _ := strings.Cut(f[0], "-")
		for _, key := range []string{f[0], short, strings.Join(f[2:], " ")} {
			table[strings.ToLower(key)] = strings.Split(f[1], ",")
		}
	}
	return table
}
