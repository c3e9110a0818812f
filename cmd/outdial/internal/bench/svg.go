package bench

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// SVG draws the calls a second of the floor and of outdial as bars. Colors follow
// the reader's own, light or dark.
func (t *Report) SVG(w io.Writer) error {
	var bars []Row
	highest := 1.0
	for _, r := range t.Rows {
		if strings.HasSuffix(r.Name, ".rate") {
			bars = append(bars, r)
			highest = max(highest, r.Max)
		}
	}
	const left, width, line = 360, 380, 26
	scale := func(x float64) float64 { return left + x/highest*width }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 %d" font-family="sans-serif" font-size="13" role="img" aria-label="calls a second">
<style>text{fill:#24292f}.floor{fill:#afb8c1}.outdial{fill:#0969da}line{stroke:#57606a}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.floor{fill:#57606a}.outdial{fill:#58a6ff}line{stroke:#c9d1d9}}</style>
<text x="10" y="20">calls a second: the median of each, and its spread</text>
`, 40+line*len(bars))
	for i, r := range bars {
		y, class, what := 34+line*i, "outdial", strings.TrimPrefix(r.Label, "calls/s, ")
		if strings.HasPrefix(r.Name, "replicas.") {
			what = "3 servers: " + what
		}
		if strings.Contains(r.Name, "floor") {
			class = "floor"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text><rect class="%s" x="%d" y="%d" width="%.1f" height="16"/>`,
			left-8, y+13, html.EscapeString(what), class, left, y, scale(r.Value)-left)
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text x="%.1f" y="%d">%s</text>`+"\n",
			scale(r.Min), scale(r.Max), y+8, y+8, scale(r.Max)+6, y+13, figure(r.Value))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}
