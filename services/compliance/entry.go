package compliance

import (
	"regexp"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// Origins of an entry on the company's list: whose wish it is. The list is
// closed, because what an entry takes to be weakened hangs on it.
const (
	OriginCompany  = "company"  // our own decision; may lapse, may be taken back
	OriginConsumer = "consumer" // the called person's own request; binds until somebody answers for its removal
)

// An entry is what the list says of a number at a moment. The zero entry: it
// says nothing.
type entry struct {
	origin string
	until  *time.Time // nil: for ever
}

// readEntry reads a fact at a moment. Facts of former days may have no origin,
// or any text for one. With an expiry and without an origin it is the company's,
// because a consumer's could not lapse; any other may be a consumer's request
// that nobody marked, and is read as one.
func readEntry(f events.Fact, now time.Time) entry {
	switch {
	case !f.Listed:
		return entry{}
	case f.Origin != OriginCompany && (f.Origin != "" || f.ExpiresAt == nil):
		return entry{origin: OriginConsumer}
	case f.ExpiresAt != nil && !f.ExpiresAt.After(now):
		return entry{}
	}
	return entry{OriginCompany, f.ExpiresAt}
}

func (e entry) listed() bool   { return e.origin != "" }
func (e entry) consumer() bool { return e.origin == OriginConsumer }

// weaker says whether the entry would take something away from what stands: a
// consumer's request is never turned into the company's, and no expiry comes
// earlier than it was.
func (e entry) weaker(stands entry) bool {
	switch {
	case !stands.listed():
		return false
	case stands.consumer() || e.consumer():
		return !e.consumer()
	case stands.until == nil || e.until == nil:
		return e.until != nil
	}
	return e.until.Before(*stands.until)
}

// says tells what stands, for people.
func (e entry) says() string {
	switch {
	case e.consumer():
		return "kept: it stands by the consumer's own request, without end"
	case e.until == nil:
		return "kept: it stands without end"
	}
	return "kept: it stands until " + e.until.UTC().Format(dncTime)
}

const dncTime = "2006-01-02 15:04:05.999999999 -0700"

// expiryShape is the document's "2022-10-29 00:00:00 UTC" and "2023-08-05
// 22:02:36.362009 +0000", and RFC 3339. Names of zones other than UTC's are
// ambiguous (EST is Sydney's, too, IST three countries') and not read.
var expiryShape = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2})[ Tt]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?) ?([Uu][Tt][Cc]|[Gg][Mm][Tt]|[Zz]|([+-][0-9]{2}):?([0-5][0-9]))$`)

// farthest is the greatest offset from UTC that any place has.
const farthest = 14 * 60 * 60

// readExpiry reads when an entry ends; nil: never. Not ok: it is no moment, or
// which one depends on what a zone's name means.
func readExpiry(s string) (*time.Time, bool) {
	if s = strings.TrimSpace(s); s == "" {
		return nil, true
	}
	m := expiryShape.FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	offset := "+0000"
	if m[4] != "" {
		offset = m[4] + m[5]
	}
	t, err := time.Parse("2006-01-02 15:04:05.999999999 -0700", strings.Join([]string{m[1], m[2], offset}, " "))
	if err != nil {
		return nil, false
	}
	if _, seconds := t.Zone(); seconds > farthest || seconds < -farthest {
		return nil, false
	}
	t = t.UTC()
	return &t, true
}
