package bridge

import (
	"slices"
	"strings"
	"sync"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// mostClosed is how many closed calls are still found by name: news of a call
// that was given up has to raise an alarm, however late.
const mostClosed = 20_000

// A finder knows of which calls of ours a provider may speak that names no agent
// of ours: by the attempt that it was given, by its own id of the call, or by
// the customer's number. It proves nothing: Match decides by the calls' logs.
type finder struct {
	most   int // closed calls remembered
	mu     sync.Mutex
	by     map[string][]log.Ref
	names  map[log.Ref][]string
	closed []log.Ref // the oldest first
	unheld map[string]map[log.Ref]bool
	beside [2]map[string][]string // since when many were noted, and before
	// recalls: closed calls are looked for in the log at every beginning; until
	// that has ended, recalling.
	recalls, recalling bool
}

func newFinder(most int) *finder {
	f := &finder{most: most}
	f.reset()
	return f
}

// reset forgets all calls: their log is heard from its beginning again.
func (f *finder) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.by, f.names, f.closed = map[string][]log.Ref{}, map[log.Ref][]string{}, nil
	f.unheld = map[string]map[log.Ref]bool{}
	f.recalling = f.recalls
}

// begin says that closed calls are going to be recalled, now and after every reset.
func (f *finder) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recalls, f.recalling = true, true
}

// isRecalling says that closed calls are being looked for.
func (f *finder) isRecalling() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recalling
}

// A name is under what a provider knows a call, on one connection.
func attemptName(conn, attempt string) string { return conn + "/attempt/" + attempt }
func idName(conn, id string) string           { return conn + "/id/" + id }
func numberName(conn, to string) string       { return conn + "/to/" + to }

// namesOf are the names of a call that was dialed on a connection.
func namesOf(conn string, c *lifecycle.Call) []string {
	if c.Dialing == nil || c.Request == nil {
		return nil
	}
	return callNames(conn, c.Dialing.Attempt, c.Request.Request.To, bound(c))
}

func callNames(conn, attempt, to, id string) []string {
	names := []string{attemptName(conn, attempt), numberName(conn, to)}
	if id != "" {
		names = append(names, idName(conn, id))
	}
	return names
}

// note keeps which names news has said together, so that news by one of them
// alone comes after it: an item is heard in the lane of its first name.
func (f *finder) note(said []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.beside[0] == nil || len(f.beside[0]) >= mostHeld {
		f.beside = [2]map[string][]string{{}, f.beside[0]}
	}
	for _, name := range said[1:] {
		f.pair(name, said[0])
		f.pair(said[0], name)
	}
}

// pair keeps that a name was said beside another. The caller holds the lock.
func (f *finder) pair(name, other string) {
	if beside := f.beside[0][name]; !slices.Contains(beside, other) {
		f.beside[0][name] = append(beside, other)
	}
}

// meant is an observation that names the provider's id alone, with what else was
// said beside that id: it may have come before the news, or the answer to the start,
// by which the id is known, and that news waits for it.
func (f *finder) meant(conn string, o providers.Observation) providers.Observation {
	if o.CallKey == "" || o.Shared || o.Attempt != "" || o.Customer != "" || o.Unread {
		return o
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := idName(conn, o.CallKey)
	for _, name := range slices.Concat(f.beside[0][id], f.beside[1][id]) {
		if attempt, ok := strings.CutPrefix(name, attemptName(conn, "")); ok {
			o.Attempt = attempt
		}
		if to, ok := strings.CutPrefix(name, numberName(conn, "")); ok {
			o.Customer = to
		}
	}
	return o
}

// lanes are the names, and those under which news was heard that said them too.
func (f *finder) lanes(names []string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range names {
		names = append(append(names, f.beside[0][name]...), f.beside[1][name]...)
	}
	slices.Sort(names) // of a message it may be told by one of them alone
	return slices.Compact(names)
}

// saidNames are the names by which an observation speaks of a call. The first is
// its lane: where a provider says its own id at all, all news of the call has it,
// and so one order. Which call is meant the surest name decides (Match).
func saidNames(conn string, o providers.Observation) []string {
	var names []string
	if o.CallKey != "" {
		names = append(names, idName(conn, o.CallKey))
	}
	if o.Attempt != "" {
		names = append(names, attemptName(conn, o.Attempt))
	}
	if o.Customer != "" && !o.Unread {
		names = append(names, numberName(conn, o.Customer))
	}
	return names
}

// take hears that a call stands so now; nil: it is held no more.
func (f *finder) take(r events.Record, conn string, c *lifecycle.Call) {
	ref := log.RefOf(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Name == events.Closed {
		f.gone(ref)
	}
	if c == nil || conn == "" {
		return
	}
	for _, name := range namesOf(conn, c) {
		f.name(ref, name)
	}
	f.awaits(conn, ref, c.Open() && c.Dialing != nil && bound(c) == "")
}

// name has a call go by a name. The caller holds the lock.
func (f *finder) name(ref log.Ref, name string) {
	if !slices.Contains(f.names[ref], name) {
		f.names[ref] = append(f.names[ref], name)
		f.by[name] = append(f.by[name], ref)
	}
}

// awaits keeps of which calls a connection's id is not known yet.
func (f *finder) awaits(conn string, ref log.Ref, is bool) {
	switch of := f.unheld[conn]; {
	case is && of == nil:
		f.unheld[conn] = map[log.Ref]bool{ref: true}
	case is:
		of[ref] = true
	default:
		delete(of, ref)
	}
}

// gone notes that a call is closed.
func (f *finder) gone(ref log.Ref) {
	for _, of := range f.unheld {
		delete(of, ref)
	}
	if f.names[ref] == nil {
		return
	}
	f.closed = append(f.closed, ref)
	f.trim()
}

// trim lets the oldest closed calls go.
func (f *finder) trim() {
	for len(f.closed) > f.most {
		old := f.closed[0]
		f.closed = f.closed[1:]
		for _, name := range f.names[old] {
			if f.by[name] = slices.DeleteFunc(f.by[name], func(r log.Ref) bool { return r == old }); len(f.by[name]) == 0 {
				delete(f.by, name)
			}
		}
		delete(f.names, old)
	}
}

// find lists the calls that go by any of the names.
func (f *finder) find(names []string) (refs []log.Ref) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range names {
		for _, ref := range f.by[name] {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// known are all names of a call.
func (f *finder) known(ref log.Ref) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.names[ref])
}

// waits reports whether some open call of a connection has no id yet, so that
// one which nobody knows may be its.
func (f *finder) waits(conn string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.unheld[conn]) > 0
}
