package events

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits bound what is read of a request before its meaning is looked at.
type Limits struct {
	MaxBytes      int // of the payload
	MaxDepth      int // of nested objects and lists in the data
	MaxKeys       int // member names in the data, altogether
	MaxString     int // bytes of one string
	MaxExtensions int // CloudEvents extension attributes
	MaxIdentity   int // bytes of the event's id and of its source
	MaxItems      int // alternates, and overrides
}

// DefaultLimits are 64 KiB, sixteen levels, 256
// names, strings of 1 KiB, sixteen extensions, an identity of 256 bytes.
func DefaultLimits() Limits {
	return Limits{
		MaxBytes: 64 << 10, MaxDepth: 16, MaxKeys: 256, MaxString: 1024,
		MaxExtensions: 16, MaxIdentity: 256, MaxItems: 16,
	}
}

// RequestContext is what must be known to judge a request. A nil function
// means that the question is not asked here: a gateway that knows no roster
// still checks everything else.
type RequestContext struct {
	Tenant      string
	Now         time.Time     // by outdial's clock, ClockOffset included
	Stored      time.Time     // by the server's clock; zero: Now
	ClockOffset time.Duration // a rehearsal's, added to the event's time and to Stored
	CallsAge    time.Duration // how long CALLS keeps events; zero: DefaultCallsAge
	Limits      Limits        // zero: DefaultLimits

	CallerIDs         []string // the tenant's registered numbers, E.164
	DefaultFrom       string
	DefaultConnection string
	Key               Key

	// Known says whether an agent is enrolled, and on which connection.
	Known      func(agent string) (connection string, ok bool)
	HuntGroups func(group string) bool
	Connection func(name string) (kind string, ok bool)
	Takes      func(connection string) Takes
	Ruleset    func(name string) bool
}

// Takes is what a connection takes of what requests may ask for.
type Takes struct {
	Agents    bool // a call may be an agent's of ours
	Queues    bool // or stand in a queue of its own
	Schedules bool // the instant at which it is to call
	Records   bool // whether it is to record
}

// DefaultCallsAge is how long CALLS keeps events unless told otherwise.
const DefaultCallsAge = 72 * time.Hour

// Default expiries, counted from notBefore or the event's time.
const (
	ExpiryAgent = time.Minute      // a request that names an agent
	ExpiryOther = 15 * time.Minute // any other
)

// Intake is a request that was read, with everything that follows from it
// alone. It may be acted upon only when there are no faults; Call and Digest
// are set as soon as the identity and a payload could be read.
type Intake struct {
	Call       string      // the call's id
	Request    DialRequest // in canonical form: defaults of purpose and mode filled in
	From       string      // caller id: the request's, else the default
	Connection string      // the request's, else the tenant's; an agent's own goes first
	Source, ID string      // the request's CloudEvents identity
	Digest     string      // keyed digest of the data, whatever its spelling
	ReceivedAt time.Time   // Stored by outdial's clock
	NotBefore  time.Time   // ReceivedAt unless the request says
	ExpiresAt  time.Time
	// TraceParent is the request's trace context, where it is a valid one.
	TraceParent string
}

// Identity is what names a request, as far as it could be read. It is there
// even when the request is refused, so that its sender finds the refusal.
type Identity struct{ Source, ID string }

type requestReader struct {
	faultList
	ctx      RequestContext
	lim      Limits
	msg      *message
	req      DialRequest
	time     time.Time // the event's, by outdial's clock
	expiry   time.Time // CloudEvents expirytime, zero without
	seat     string    // the named agent's connection, as far as it is known
	identity Identity
}

// ReadRequest judges a dial request as it stands in a tenant's REQUESTS stream
// and lists everything that is wrong with it at once, by JSON pointer into the
// data ("/ce-<name>" for an attribute). It is pure. Messages never quote the
// input, except for field names of the request's own vocabulary; whether the
// number may be called is not asked here.
func ReadRequest(subject string, h Header, data []byte, c RequestContext) (Intake, []Fault, Identity) {
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits()
	}
	if c.CallsAge == 0 {
		c.CallsAge = DefaultCallsAge
	}
	if c.Stored.IsZero() {
		c.Stored = c.Now.Add(-c.ClockOffset)
	}
	r := &requestReader{ctx: c, lim: c.Limits, msg: open(h, data)}
	in := Intake{ReceivedAt: c.Stored.Add(c.ClockOffset).UTC()}
	if subject != RequestSubject(c.Tenant) || !IsToken(c.Tenant) {
		r.add("", FaultWrongSubject)
	}
	goOn := r.attributes(len(data))
	in.Source, in.ID = r.identity.Source, r.identity.ID
	if in.Source != "" && in.ID != "" {
		in.Call = CallID(c.Tenant, in.Source, in.ID)
	}
	in.Digest = c.Key.Digest(data)
	if goOn {
		r.body(&in)
	}
	if len(r.list) == 0 {
		// The SDK has the last word on whether this is a CloudEvent.
		if _, err := r.msg.event(); err != nil {
			r.add("", FaultBadAttribute)
		}
	}
	return in, r.list, r.identity
}

// attributes looks at the envelope. It returns false when looking at the data
// would only add noise.
func (r *requestReader) attributes(size int) bool {
	m := r.msg
	for _, p := range m.problems {
		ptr := ""
		if p.attr != "" {
			ptr = attrPointer(p.attr)
		}
		r.add(ptr, p.code)
	}
	hopeless := len(m.problems) > 0 && len(m.attrs) == 0
	r.readIdentity()
	if size > r.lim.MaxBytes {
		r.add("", FaultTooLarge)
		return false
	}
	if hopeless {
		return false
	}
	if len(m.attrs) == 0 || len(m.attrs) == 1 && m.attrs[attrMediaType] != nil {
		r.add("", FaultNotCloudEvent)
		return false
	}
	r.checkIdentity("id", true)
	r.checkIdentity("source", true)
	r.checkIdentity(attrType, false)
	switch v, ok := m.attrs[attrVersion]; {
	case !ok:
		r.add("/ce-specversion", FaultMissing)
	case v != "1.0":
		r.add("/ce-specversion", FaultWrongSpecVersion)
	}
	r.extensions()
	r.time = r.ctx.Stored.Add(r.ctx.ClockOffset)
	if t, ok := r.timeAttribute("time"); ok {
		r.time = t.Add(r.ctx.ClockOffset)
	}
	if t, ok := r.timeAttribute(ExtExpiryTime); ok {
		r.expiry = t
	}
	media, _ := m.attrs[attrMediaType].(string)
	if base, _, _ := strings.Cut(strings.ToLower(media), ";"); !isJSONMedia(strings.TrimSpace(base)) {
		r.add("/ce-datacontenttype", FaultWrongDataContentType)
		return false
	}
	typ, _ := m.attrs[attrType].(string)
	if typ != "" && typ != TypeDialRequested {
		r.add("/ce-type", FaultWrongEventType)
		return false
	}
	return true
}

func (r *requestReader) readIdentity() {
	read := func(name string) string {
		s, _ := r.msg.attrs[name].(string)
		if len(s) > r.lim.MaxIdentity || !singleLine(s) {
			return ""
		}
		return s
	}
	r.identity = Identity{Source: read("source"), ID: read("id")}
}

func (r *requestReader) checkIdentity(name string, bounded bool) {
	ptr := "/ce-" + name
	v, ok := r.msg.attrs[name]
	s, isText := v.(string)
	switch {
	case !ok || s == "" && isText:
		r.add(ptr, FaultMissing)
	case !isText || !singleLine(s):
		r.add(ptr, FaultBadAttribute)
	case bounded && len(s) > r.lim.MaxIdentity:
		r.add(ptr, FaultTooLong)
	case name == "source":
		if _, err := url.Parse(s); err != nil {
			r.add(ptr, FaultBadAttribute)
		}
	}
}

// singleLine reports whether s is text without control characters and without
// blanks at its ends, which some transports strip.
func singleLine(s string) bool {
	return utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, unicode.IsControl)
}

func (r *requestReader) extensions() {
	count := 0
	for _, name := range slices.Sorted(maps.Keys(r.msg.attrs)) {
		switch name {
		case "id", "source", attrType, attrVersion, attrMediaType, "time", "subject", "dataschema":
		default:
			count++
		}
		if s, _ := r.msg.attrs[name].(string); len(s) > r.lim.MaxString && name != "id" && name != "source" {
			r.add(attrPointer(name), FaultTooLong)
		}
	}
	if count > r.lim.MaxExtensions {
		r.add("", FaultTooManyAttributes)
	}
}

func (r *requestReader) timeAttribute(name string) (time.Time, bool) {
	v, ok := r.msg.attrs[name]
	if !ok {
		return time.Time{}, false
	}
	s, _ := v.(string)
	t, ok := parseTime(s)
	if !ok {
		r.add("/ce-"+name, FaultBadTime)
	}
	return t, ok
}

var timeShape = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$`)

// parseTime reads RFC 3339 to the letter. The time package alone lets a
// comma before the fraction and an hour of one digit pass (tried with 1.26).
func parseTime(s string) (time.Time, bool) {
	var t time.Time
	if !timeShape.MatchString(s) || t.UnmarshalText([]byte(s)) != nil {
		return time.Time{}, false
	}
	return t.UTC(), true
}

var traceShape = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// body reads the data, checks every field, and works out what follows.
func (r *requestReader) body(in *Intake) {
	if !r.msg.hasData {
		r.add("", FaultMissing)
		return
	}
	n, ok := readStrict(r.msg.data, r.lim, &r.faultList)
	if !ok {
		return
	}
	if !n.partial {
		in.Digest = r.ctx.Key.Digest(n.canonical())
	}
	if n.kind != isObject {
		r.say("", FaultWrongJSONType, sayWant(isObject))
		return
	}
	r.object("", n, r.requestFields(), "to")
	r.target(n)
	r.places(in)
	r.times(in)
	if r.req.Purpose == "" {
		r.req.Purpose = PurposeTelemarketing
	}
	if r.req.Mode == "" {
		r.req.Mode = ModeManual
	}
	in.Request = r.req
	if s, _ := r.msg.attrs[ExtTraceParent].(string); traceShape.MatchString(s) {
		in.TraceParent = s
	}
}
