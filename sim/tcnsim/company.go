// Package tcnsim is the simulator's TCN: an agent's state machine as the
// document draws it, its scrub and its dial, over HTTP, strict in every field.
// It shares no word with the client that it plays against.
package tcnsim

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/outdial/outdial/sim"
)

// Name is its name in faults, ledger and history.
const Name = "tcn"

// Agent is one agent. Empty fields are those of the document's samples.
type Agent struct {
	Token           string
	AgentSid        string
	ClientSid       string
	HuntGroupSid    string
	AsmSessionSid   string
	VoiceSessionSid string
	Status          string // at the beginning; "" is READY
}

// Pace is how long the steps take; 0 is the simulator's pace.
type Pace struct {
	Prepare, Cancel, Start, Ring, Talk, Wrap time.Duration
}

// Options configure the dialect. The zero value has the agent of the
// document's samples, token "token-2098765", and is as unkind as TCN may be.
type Options struct {
	Agents        []Agent
	Paths         map[string]string         // by operation, over those of package tcn
	Settings      map[string]map[string]any // by hunt group, over the sample's manualDial
	PrepareStatus bool                      // prepare answers with the status object, else {} and it takes a while
	JSONC         bool                      // accept comments and trailing commas, as the document prints them
	FlatSession   bool                      // voiceSessionSid at the top level
	NumericSids   bool                      // sids as JSON numbers
	StaleStatus   int                       // answers a question about a session that is over; 0 is 200, and keepAliveSucceeded is false
	Pace          Pace
}

// Company is the dialect: an http.Handler that answers as TCN does.
type Company struct {
	sim   *sim.Simulator
	opts  Options
	paths map[string]string // path ─▶ operation

	mu       sync.Mutex
	agents   []*seat
	settings map[string]map[string]any // by hunt group
}

// seat is one agent's state machine, under Company.mu.
type seat struct {
	Agent
	number   int // place in the list, for derived samples
	current  string
	paused   bool
	lost     bool // keepalives fail until there is a new session
	stuck    bool // keepalives fail for good
	changed  time.Time
	sip      int
	calls    int
	shown    string // currentSessionId; "" is the voice session
	coming   bool   // a preparation is on its way
	turn     int    // grows with every change, so that old timers see they are late
	scrubbed *scrubbed
	call     *underWay
}

// scrubbed is what a scrub promised.
type scrubbed struct {
	callSid, taskGroupSid string
	ok                    bool
	said                  map[string]json.RawMessage
}

// underWay is the call under way.
type underWay struct {
	sid, number, correlation string
	part                     sim.Part
}

// New adds the dialect to the simulator.
func New(s *sim.Simulator, o Options) (*Company, error) {
	if len(o.Agents) == 0 {
		o.Agents = Agents(1)
	}
	t := &Company{sim: s, opts: o, paths: map[string]string{}, settings: map[string]map[string]any{}}
	for op, path := range defaultPaths() {
		if p, ok := o.Paths[op]; ok {
			path = p
		}
		t.paths[path] = op
	}
	seen := map[string]bool{}
	for i, a := range o.Agents {
		a = a.filled()
		if seen[a.Token] || seen[a.AgentSid] {
			return nil, fmt.Errorf("two TCN agents share a token or a sid")
		}
		seen[a.Token], seen[a.AgentSid] = true, true
		t.agents = append(t.agents, &seat{Agent: a, number: i, current: a.Status, changed: s.Clock().Now()})
	}
	for group, change := range o.Settings {
		if err := t.setSettings(group, change); err != nil {
			return nil, err
		}
	}
	s.Register(t)
	return t, nil
}

// Agents makes n agents whose sids count up from the document's samples.
func Agents(n int) []Agent {
	out := make([]Agent, 0, n)
	for i := range n {
		out = append(out, Agent{
			AgentSid:        strconv.Itoa(2098765 + i),
			AsmSessionSid:   strconv.Itoa(20003456 + i),
			VoiceSessionSid: strconv.Itoa(50006789 + i),
		})
	}
	return out
}

func (a Agent) filled() Agent {
	for field, def := range map[*string]string{
		&a.AgentSid: "2098765", &a.ClientSid: "2000123", &a.HuntGroupSid: "1045678",
		&a.AsmSessionSid: "20003456", &a.VoiceSessionSid: "50006789", &a.Status: stateReady,
	} {
		if *field == "" {
			*field = def
		}
	}
	if a.Token == "" {
		a.Token = "token-" + a.AgentSid
	}
	return a
}

// Name implements Dialect.
func (t *Company) Name() string { return Name }

// Agents implements Dialect.
func (t *Company) Agents() []sim.AgentView {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := []sim.AgentView{}
	for _, a := range t.agents {
		v := sim.AgentView{Provider: Name, Agent: a.AgentSid, Session: a.VoiceSessionSid, State: a.current}
		if a.call != nil {
			v.Call = a.call.sid
		}
		out = append(out, v)
	}
	return out
}

// Set implements Dialect. Keys: status (any of TCN's words, at once), paused,
// keepAlive (true, false until there is a new session, or "never"),
// currentSessionId ("" is ours), huntGroupSid, token, inbound (true: somebody
// calls the agent), settings (keys of manualDial, for the agent's hunt group).
func (t *Company) Set(agent string, change map[string]any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.find(func(a *seat) bool { return a.AgentSid == agent })
	if a == nil {
		return fmt.Errorf("no TCN agent of that sid")
	}
	for key, value := range change {
		if err := t.set(a, key, value); err != nil {
			return err
		}
	}
	return nil
}

func (t *Company) set(a *seat, key string, value any) error {
	word, isWord := value.(string)
	on, isBool := value.(bool)
	group, isGroup := value.(map[string]any)
	switch {
	case key == "status" && isWord:
		a.coming, a.scrubbed, a.call = false, nil, nil
		t.become(a, word)
	case key == "paused" && isBool:
		a.paused = on
	case key == "keepAlive" && isBool:
		a.lost, a.stuck = !on, false
	case key == "keepAlive" && word == "never":
		a.stuck = true
	case key == "currentSessionId" && isWord:
		a.shown = word
	case key == "huntGroupSid" && isWord:
		a.HuntGroupSid = word
	case key == "token" && isWord:
		a.Token = word
	case key == "inbound" && isBool && on:
		t.inbound(a)
	case key == "settings" && isGroup:
		return t.setSettings(a.HuntGroupSid, group)
	default:
		return fmt.Errorf("unknown change %q, or of the wrong kind", key)
	}
	return nil
}

func (t *Company) find(is func(*seat) bool) *seat {
	for _, a := range t.agents {
		if is(a) {
			return a
		}
	}
	return nil
}

func (t *Company) setSettings(group string, change map[string]any) error {
	have, ok := t.settings[group]
	if !ok {
		var sample struct {
			ManualDial map[string]any `json:"manualDial"`
		}
		if err := json.Unmarshal(settingsSample, &sample); err != nil {
			return fmt.Errorf("settings sample: %w", err)
		}
		have = sample.ManualDial
	}
	maps.Copy(have, change)
	t.settings[group] = have
	return nil
}

//go:embed fixtures/agent.json
var agentSample []byte

//go:embed fixtures/settings.json
var settingsSample []byte

//go:embed fixtures/countries.json
var countriesSample []byte
