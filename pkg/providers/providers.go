// Package providers says what outdial asks of a telephone provider and what it
// hears from one. Each provider has a folder of its own that keeps both
// directions together, because the dialer and the bridge must agree about one
// company's words.
//
//	dialer, compliance ─▶ Preparer, Starter ─▶ the provider
//	the provider ─▶ Poller, or the agent's desktop ─▶ Reader ─▶ bridge
package providers

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// A Kind names a provider's product, as in the configuration.
type Kind string

// The kinds that are built.
const (
	TCN     Kind = "tcn"
	WebexCC Kind = "webexcc"
	Five9   Kind = "five9"
)

// Capabilities say what a provider can do; what it cannot is refused as
// unsupported rather than tried.
type Capabilities struct {
	Claims   bool `json:"claims"`   // a call may be an agent's of ours, claimed before the dial
	Queues   bool `json:"queues"`   // it may stand in a queue of the provider's, and be nobody's of ours
	Prepares bool `json:"prepares"` // the provider is touched before the dial, and has a verdict of its own
	Withdraw bool `json:"withdraw"` // a started call can be withdrawn
	LooksUp  bool `json:"looksUp"`  // it can be asked what became of a start
	Talking  bool `json:"talking"`  // it reports talking; if not, answered counts as talking
	Token    bool `json:"token"`    // an agent is enrolled with a credential of its own, or cannot be spoken for

	Pending    bool `json:"pending"`    // its yes may be that it waits for the agent to act; of another such a yes is none
	Schedules  bool `json:"schedules"`  // it takes the instant at which it is to call
	Alternates bool `json:"alternates"` // it takes several numbers of a person and may dial each
	Records    bool `json:"records"`    // it records when it is asked to
	PerSecond  int  `json:"perSecond"`  // how often its document says it may be asked; 0 not said

	Presence Presence `json:"presence"` // how it is known whether an agent is ready
	// AwaySeconds is how long an agent is left alone whom it refuses as
	// events.ReasonNotAvailable, where presence is assumed or none; 0: a minute.
	AwaySeconds int      `json:"awaySeconds,omitempty"`
	Progress    Progress `json:"progress"` // how it is known what becomes of a call
}

// AtDesktop says that the provider is reached by way of the agent's desktop, and
// heard there.
func (c Capabilities) AtDesktop() bool { return c.Presence == PresenceDesktop }

// Posts says that what is posted for a connection can be understood. What is asked
// for with an agent's name, poll by poll, names nobody itself.
func (c Capabilities) Posts() bool { return c.Presence != PresencePolled || c.Progress.OfCalls() }

// Presence is how a provider's agents are known to be ready.
type Presence string

// How presence is known.
const (
	PresencePolled  Presence = "polled"
	PresenceDesktop Presence = "desktop" // requests go to the agent's desktop, too
	PresenceAssumed Presence = "assumed" // ready from the enrolment on, unless a refusal or agent.set says otherwise
	PresenceNone    Presence = "none"    // nobody says it but agent.set
)

// Unsaid says that the provider never tells where an agent is. What it may say of
// a call changes nobody's presence then, and nobody is proved free by it.
func (p Presence) Unsaid() bool { return p == PresenceAssumed || p == PresenceNone }

// AssumesReady says that an agent is ready from her enrolment on.
func (c Capabilities) AssumesReady() bool { return c.Presence == PresenceAssumed }

// Away is how long an agent is left alone who is not available.
func (c Capabilities) Away() time.Duration {
	return time.Duration(cmp.Or(c.AwaySeconds, 60)) * time.Second
}

// Progress is how the provider says what becomes of a call.
type Progress string

// How progress is known.
const (
	ProgressAgent   Progress = "agent"   // by the agent's status
	ProgressDesktop Progress = "desktop" // by the messages at the agent's desktop
	ProgressFeed    Progress = "feed"    // by what it keeps, page by page
	ProgressHook    Progress = "hook"    // by what it posts
	ProgressNone    Progress = "none"    // not at all: its answer to the start is all there is
)

// OfCalls says that the provider tells of calls by their own names, whoever is on
// them.
func (p Progress) OfCalls() bool { return p == ProgressFeed || p == ProgressHook }

// AgentRef is an agent as the provider knows it.
type AgentRef struct {
	Tenant     string
	Connection string
	Agent      string            // our token
	Provider   string            // the provider's own id of the agent
	Session    string            // provider session or desktop session, "" when not known
	IDs        map[string]string // the provider's other ids of the session, verbatim
	HuntGroup  string
	Token      string // credential, opened; never logged
}

// An Order is one call to place, with all a provider may need.
type Order struct {
	Call    string
	Attempt string // random token of the intent (or of the preparation)
	Dialed  bool   // the intent is on record: a call of the agent's may be this one
	// IDs are the provider's own of the call, from its receipt and its news, by their
	// names (CallID): to look it up or to withdraw it by. Empty before there are any,
	// and where the answer to the start was lost.
	IDs       map[string]string
	To        string   // E.164
	Numbers   []string // E.164, what the pass cleared in its order; To is the first
	From      string   // E.164, "" for the provider's default
	Agent     AgentRef // without an id for a call in a queue
	Queue     string   // of the provider's own, "" for an agent's call
	Metadata  []events.KeyValue
	Recording *events.RecordingAsk
	Options   map[string]any
	StartTime time.Time     // set once when preparing, the same in the start
	Scrub     *events.Scrub // what preparing gave; nil without one
	CallAt    time.Time     // when the provider is to call; zero is now
	PassEnds  time.Time     // no number may ring after this
	NotAfter  time.Time     // nothing may be sent after this
}

// A Receipt is a provider's yes.
type Receipt struct {
	IDs     map[string]string // the provider's ids of the call, verbatim; CallID is the one that its news has
	Pending bool              // the provider waits for the agent to act
	Until   time.Time         // for Pending
}

// CallID is the name among a provider's ids of the one that stands for the call.
const CallID = "call"

// A Verdict is what a lookup found.
type Verdict string

// What a lookup can find.
const (
	Placed    Verdict = "placed"     // it was placed, or is being placed
	NotPlaced Verdict = "not_placed" // it was not, and will not be
	Over      Verdict = "over"       // presumably placed and over already
	CannotSay Verdict = "cannot_say" // the provider cannot be asked, or did not say
)

// Found is a lookup's answer with its evidence, e.g. the provider's status.
type Found struct {
	Verdict  Verdict
	Evidence string
}

// Starter places calls. Start is called at most once per order, ever.
//
// An error says what may have happened: Permanent (refused: nothing was placed
// and never will be), Transient (nothing was sent), Uncertain (perhaps
// placed). 5xx, a timeout, a reset or a broken 2xx is Uncertain.
type Starter interface {
	Start(ctx context.Context, o Order) (Receipt, error)
}

// A Looker can be asked what became of a start whose answer was lost. Asking
// never makes anything ring.
type Looker interface {
	Lookup(ctx context.Context, o Order) (Found, error)
}

// A Withdrawer undoes a preparation or, where Capabilities.Withdraw says so,
// withdraws a call. It returns nil once the provider shows nothing of it any
// more and nothing of it will ring, with the provider's word as evidence. A call
// that rang is Permanent. The order of one whose answer was lost has no IDs: who
// cannot find it without says so by an error.
type Withdrawer interface {
	Withdraw(ctx context.Context, o Order) (evidence string, err error)
}

// Preparer is a provider that is touched before the dial (TCN's prepare and
// scrub). The first result is the provider's verdict. touched says that the
// provider may hold a preparation, error or not. The context ends at the
// preparation's notAfter.
type Preparer interface {
	Prepare(ctx context.Context, o Order) (scrub events.Scrub, touched bool, err error)
}

// A Confirmer is a Preparer that is looked at once more, right before the
// intent: between the pass and the dial the agent may have taken another call.
// It asks once and makes nothing ring. An error says that the order must not be
// dialed now.
type Confirmer interface {
	Confirm(ctx context.Context, o Order) error
}

// Settings are what a provider demands of requests, for the rules.
type Settings struct {
	Enabled          bool     // manual dialing is allowed for the agent
	RequiredMetadata []string // names, after aliases are applied to the request's
	Aliases          map[string]string
	TotalDigits      int // length of a national number; 0 not known
	Overrides        map[string]bool
	Raw              map[string]string // the settings as texts, for evidence
}

// Configured is a provider whose settings compliance reads before it decides.
type Configured interface {
	Settings(ctx context.Context, a AgentRef) (Settings, error)
}

// Poller asks for an agent's presence and the progress of its call. The
// answer is returned as it came; a Reader understands it. A refused
// credential (401) is Permanent with code "unauthorized".
type Poller interface {
	// Open gets or makes the agent's session; nil IDs are never returned.
	Open(ctx context.Context, a AgentRef) (session string, ids map[string]string, err error)
	Poll(ctx context.Context, a AgentRef) (status int, body []byte, err error)
}

// A Hook takes apart what a provider posts. Whether it may post was asked before,
// by the connection's credential. Without one a body is one item.
type Hook interface {
	// Split gives the items of a body, each of one call and as the Reader reads
	// it. It is pure; its errors are Permanent.
	Split(body []byte) ([][]byte, error)
}

// A Page is a piece of what a provider keeps, the oldest first.
type Page struct {
	Items [][]byte // each of one call, as the Reader reads it; how they overlap with another page does not matter
	Next  string   // the cursor after it
	More  bool     // there is more already
}

// CursorGone is the code of an error that says: the provider does not know a
// cursor any more. Its feed is read again from the oldest open call on.
const CursorGone = "cursor_gone"

// A Feeder keeps what becomes of its calls and gives it out by cursor.
type Feeder interface {
	// Page is what comes after a cursor; after "" it begins at since, the time of
	// the oldest call that news is waited for. Where the provider knows times
	// alone, since is also how far back every page must reach.
	// Errors: Permanent unauthorized, Permanent CursorGone where the provider does
	// not know the cursor any more, Transient whatever stood in the way.
	Page(ctx context.Context, cursor string, since time.Time) (Page, error)
}

// A View is what is on record when a message is read: a provider's message
// means different things to different histories.
type View struct {
	Now       time.Time
	Presence  events.Name // of the agent
	Reason    string      // of that presence, as an Observation said it
	Session   string
	CallState events.Name // last event that moved the claiming call; "" without a claim
	Dialed    bool        // the claiming call has an intent on record
	Said      string      // the provider's own name of the news that moved it last, verbatim
	Talked    bool        // it has been talking (or answered, where that counts)
	Machine   bool        // a machine answered it
	// Transferred: the agent handed the customer on, who is still connected.
	Transferred bool
	To          string // its number, E.164; "" without a claim
	HomeRegion  string // ISO region in which national numbers are read, e.g. US
}

// An Observation is one thing a provider's message says.
type Observation struct {
	Presence events.Name // an agent event, "" none
	Call     events.Name // a call event, "" none
	Reason   string      // of ended or of a presence
	Event    string      // the provider's own name, verbatim
	State    string      // the provider's own state, verbatim
	Legs     events.Legs
	IDs      map[string]string // the provider's ids of the call or session, verbatim
	Attempt  string            // the intent that the call came from, where the provider carries it back
	CallKey  string            // the provider's id of the call, "" when it has none
	Shared   bool              // CallKey stands for every call to this customer, one after the other
	Agent    string            // the provider's id of the agent, "" when not said
	Customer string            // E.164 of the customer where the message says it
	Unread   bool              // it names a customer's number that is none in the provider's form: nobody's call
	// Manual says that it is a manual outbound call, as ours are. Where it is not Sure
	// whose the news is, nothing of it is taken for a call of ours without: the customer
	// may have called, or another program. Of a provider that has no other kind of call
	// it is always true.
	Manual   bool
	Attrs    map[string]string // other details, never personal
	At       time.Time         // by the provider's clock, zero when not said
	Waited   time.Duration     // how long the message was kept by who heard it, before we received it
	Inferred bool              // the message shows that it came to this before, but not when
}

// Sure says that what the news names tells by itself whose it is: our attempt, or an
// id that one call alone has, which is ours once it is on record.
func (o Observation) Sure() bool { return o.Attempt != "" || o.CallKey != "" && !o.Shared }

// A Reader understands a provider's messages. It is pure. What does not parse
// is Permanent; a name it does not know is kept as an annotation, not refused.
type Reader interface {
	Read(raw events.ProviderRaw, v View) ([]Observation, error)
}

// An Opener is a Reader that takes a message apart once, for all the views in
// which it is going to be read: Read is the message opened, and read. What it
// returns is called by one at a time.
type Opener interface {
	Reader
	Open(raw events.ProviderRaw) (read func(View) ([]Observation, error), err error)
}

// ErrNoResponders is in the error of a request that the broker itself refused,
// because nobody listened where it went. It is the proof that nobody got it,
// and no answer that came by wire is ever turned into it.
var ErrNoResponders = errors.New("no responders")

// A Desktop carries a provider's request to the agent's desktop.
//
// Where nobody listens the error is Transient and wraps ErrNoResponders. No
// desktop there, by the word of the bridge that listens, is Transient with code
// "no_desktop": nothing was sent. An answer that did not come is Uncertain.
type Desktop interface {
	Send(ctx context.Context, a AgentRef, message []byte, attempt string, notAfter time.Time) error
}

// A Provider is one configured connection. Nil parts are what it cannot do. Kind and
// Can are its product's, and put there by Product.Build.
type Provider struct {
	Kind       Kind
	Can        Capabilities
	Starter    Starter
	Looker     Looker
	Withdrawer Withdrawer
	Preparer   Preparer
	Confirmer  Confirmer
	Configured Configured
	Poller     Poller
	Feeder     Feeder
	Hook       Hook
	Reader     Reader
}
