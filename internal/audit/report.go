package audit

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// What a finding refutes.
const (
	I1      = "I1"         // dialed without a pass
	I2      = "I2"         // dialed more than once, or without an intent
	Witness = "I2-witness" // the log denies a dial that the ledger shows
	I3      = "I3"         // not exactly one end, or an event that cannot be
	I4      = "I4"         // an agent on two calls, or locked
	Corrupt = "log"        // events are missing from the record itself
)

// promises says what each category is about, in the order of the report.
func promises() [][2]string {
	return [][2]string{
		{I1, "no number is dialed without a pass"},
		{I2, "no request is dialed twice"},
		{Witness, "the log admits what the ledger shows"},
		{I3, "every call ends exactly once"},
		{I4, "no agent is on two calls, or locked"},
		{Corrupt, "the record is whole"},
	}
}

// A Finding is one broken promise. It holds no personal data: a number, where
// one is named, is masked.
type Finding struct {
	Invariant string    `json:"invariant"`
	Tenant    string    `json:"tenant,omitempty"`
	Call      string    `json:"call,omitempty"`
	Agent     string    `json:"agent,omitempty"`
	Stream    string    `json:"stream,omitempty"` // of Seq; "" when only the ledger speaks
	Seq       uint64    `json:"seq,omitempty"`
	At        time.Time `json:"at,omitzero"` // of the ledger's entry, where one is the evidence
	What      string    `json:"what"`
}

// where names the place to look at.
func (f Finding) where() string {
	var parts []string
	for _, p := range [][2]string{{"tenant", f.Tenant}, {"call", f.Call}, {"agent", f.Agent}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	if f.Stream != "" && f.Seq > 0 {
		parts = append(parts, fmt.Sprintf("%s #%d", f.Stream, f.Seq))
	}
	if !f.At.IsZero() {
		parts = append(parts, "ledger "+f.At.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	return strings.Join(parts, ", ")
}

// String is the finding on one line.
func (f Finding) String() string {
	return f.Invariant + ": " + f.What + " (" + f.where() + ")"
}

// Open is a call that is not closed yet.
type Open struct {
	Tenant string        `json:"tenant"`
	Call   string        `json:"call"`
	State  string        `json:"state"`
	Since  time.Time     `json:"since"` // in this state
	Age    time.Duration `json:"age"`   // since it was accepted, nanoseconds
}

// A Report is the judgement.
type Report struct {
	At     time.Time `json:"at"`
	Strict bool      `json:"strict"`

	Calls   int            `json:"calls"`   // judged
	Aged    int            `json:"aged"`    // not judged: CALLS has forgotten their beginning
	Agents  int            `json:"agents"`  // on record
	Open    []Open         `json:"open"`    // oldest first
	Closed  map[string]int `json:"closed"`  // by outcome
	Intents int            `json:"intents"` // dialing events

	Quarantined int `json:"quarantined"` // agents held back until proved free

	Witnessed bool `json:"witnessed"` // a ledger was compared
	Dialed    int  `json:"dialed"`    // dials in the ledger
	Unjudged  int  `json:"unjudged"`  // of them, older than CALLS

	// Lost are the dials of a time that the record has lost and says so: what
	// they were, nobody knows any more.
	Lost []Finding `json:"lost"`

	Findings []Finding `json:"findings"`
}

// Kept reports whether no promise was found broken.
func (r Report) Kept() bool { return len(r.Findings) == 0 }

// sort gives the report the same order whatever the order of maps.
func (r *Report) sort() {
	for _, of := range [][]Finding{r.Findings, r.Lost} {
		sortFindings(of)
	}
	slices.SortStableFunc(r.Open, func(a, b Open) int {
		return cmp.Or(cmp.Compare(b.Age, a.Age), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Call, b.Call))
	})
}

func sortFindings(of []Finding) {
	slices.SortStableFunc(of, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.Tenant, b.Tenant),
			cmp.Compare(a.Call, b.Call), cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Seq, b.Seq),
			a.At.Compare(b.At), cmp.Compare(a.What, b.What))
	})
}

// shownOpen is how many open calls the text names; the rest is counted.
const shownOpen = 20

// Write prints the report for a person: the verdict first, then what is broken
// and where to look, then the figures it rests on. The error is w's.
func (r Report) Write(w io.Writer) error {
	var b bytes.Buffer
	if r.Kept() {
		fmt.Fprintf(&b, "audit: all promises kept, as of %s\n\n", r.At.UTC().Format(time.RFC3339))
	} else {
		fmt.Fprintf(&b, "audit: %d %s, as of %s\n\n", len(r.Findings), strings.ToUpper("finding"+plural(len(r.Findings))), r.At.UTC().Format(time.RFC3339))
	}
	r.writePromises(&b)
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%s  %s\n    %s\n", f.Invariant, f.What, f.where())
	}
	r.writeLost(&b)
	r.writeFigures(&b)
	r.writeOpen(&b)
	_, err := w.Write(b.Bytes())
	return err
}

func (r Report) writePromises(b *bytes.Buffer) {
	count := map[string]int{}
	for _, f := range r.Findings {
		count[f.Invariant]++
	}
	for _, p := range promises() {
		verdict := "kept"
		switch {
		case count[p[0]] > 0:
			verdict = fmt.Sprintf("BROKEN, %d finding%s", count[p[0]], plural(count[p[0]]))
		case p[0] == Witness && !r.Witnessed:
			verdict = "not judged, there is no ledger"
		}
		fmt.Fprintf(b, "  %-10s  %-38s  %s\n", p[0], p[1], verdict)
	}
}

func (r Report) writeLost(b *bytes.Buffer) {
	if len(r.Lost) == 0 {
		return
	}
	fmt.Fprintf(b, "\ndialed in the lost past, %d: the store went back in time and was put back without them; they are no finding,\nand what became of them the telephone company knows alone\n", len(r.Lost))
	for _, f := range r.Lost {
		fmt.Fprintf(b, "  %s\n    %s\n", f.What, f.where())
	}
}

func (r Report) writeFigures(b *bytes.Buffer) {
	closed := 0
	var outcomes []string
	for _, o := range slices.Sorted(maps.Keys(r.Closed)) {
		closed += r.Closed[o]
		outcomes = append(outcomes, fmt.Sprintf("%s %d", o, r.Closed[o]))
	}
	fmt.Fprintf(b, "\ncalls     %d judged: %d closed", r.Calls, closed)
	if len(outcomes) > 0 {
		fmt.Fprintf(b, " (%s)", strings.Join(outcomes, ", "))
	}
	fmt.Fprintf(b, ", %d open\n", len(r.Open))
	if r.Aged > 0 {
		fmt.Fprintf(b, "          %d more not judged: %s has forgotten their beginning\n", r.Aged, events.StreamCalls)
	}
	fmt.Fprintf(b, "agents    %d, of them %d in quarantine\n", r.Agents, r.Quarantined)
	fmt.Fprintf(b, "intents   %d dialing event%s\n", r.Intents, plural(r.Intents))
	switch {
	case !r.Witnessed:
		b.WriteString("ledger    none: the log alone cannot show a second ring\n")
	default:
		fmt.Fprintf(b, "ledger    %d dial%s\n", r.Dialed, plural(r.Dialed))
		if r.Unjudged > 0 {
			fmt.Fprintf(b, "          %d of them not judged: older than %s\n", r.Unjudged, events.StreamCalls)
		}
		if n := len(r.Lost); n > 0 {
			fmt.Fprintf(b, "          %d of them in the lost past\n", n)
		}
	}
}

func (r Report) writeOpen(b *bytes.Buffer) {
	if len(r.Open) == 0 {
		return
	}
	b.WriteString("\nopen, oldest first\n")
	for i, o := range r.Open {
		if i == shownOpen {
			fmt.Fprintf(b, "  and %d more\n", len(r.Open)-shownOpen)
			return
		}
		fmt.Fprintf(b, "  %-26s  %-14s  %s old, %s in this state (%s)\n", o.Call, o.State,
			o.Age.Round(time.Second), r.At.Sub(o.Since).Round(time.Second), o.Tenant)
	}
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
