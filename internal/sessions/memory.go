package sessions

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"
)

// agentKey names an agent across tenants.
type agentKey struct{ tenant, agent string }

// memoryHint is a hint and the instant it ends.
type memoryHint struct {
	call  string
	until time.Time
}

// Memory is the projection of a single process, kept in memory: the twin of
// Redis for a first run without one. Its queues are derived when asked for.
type Memory struct {
	now func() time.Time

	mu         sync.Mutex
	agents     map[agentKey]Agent
	hints      map[agentKey]memoryHint
	epoch      epoch
	rebuilds   int // how many were begun; the last one's number is its lock
	rebuilding int // the number of the one at work, 0 when none is
}

var _ Store = (*Memory)(nil)

// NewMemory makes an empty projection. Hints end by now; nil means time.Now.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	m := &Memory{now: now}
	m.clear()
	return m
}

// Flush forgets everything, as FLUSHALL does.
func (m *Memory) Flush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clear()
}

func (m *Memory) clear() {
	m.agents = map[agentKey]Agent{}
	m.hints = map[agentKey]memoryHint{}
	m.epoch = epoch{}
	m.rebuilding = 0
}

// Apply implements Store.
func (m *Memory) Apply(_ context.Context, a Agent) (bool, error) {
	a, err := a.canonical()
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.apply(a), nil
}

func (m *Memory) apply(a Agent) bool {
	key := agentKey{a.Tenant, a.Agent}
	was, known := m.agents[key]
	if known && !newer(a.Incarnation, a.Seq, was.Incarnation, was.Seq) {
		return false
	}
	m.agents[key] = a
	if was.Claim != "" && was.Claim != a.Claim && m.hints[key].call == was.Claim {
		delete(m.hints, key)
	}
	return true
}

// Ready implements Store.
func (m *Memory) Ready(_ context.Context, tenant, huntGroup string, limit int) ([]string, error) {
	if err := queueNames(tenant, huntGroup); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var waiting []Agent
	for key, a := range m.agents {
		if key.tenant == tenant && a.Free && slices.Contains(a.HuntGroups, huntGroup) && m.holder(key) == "" {
			waiting = append(waiting, a)
		}
	}
	slices.SortFunc(waiting, longestIdleFirst)
	var ids []string
	for _, a := range waiting[:min(len(waiting), max(limit, 0))] {
		ids = append(ids, a.Agent)
	}
	return ids, nil
}

// Hint implements Store.
func (m *Memory) Hint(_ context.Context, tenant, agent, call string, ttl time.Duration) (bool, string, error) {
	if err := hintable(tenant, agent, call, ttl); err != nil {
		return false, "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := agentKey{tenant, agent}
	if holder := m.holder(key); holder != "" && holder != call {
		return false, holder, nil
	}
	m.hints[key] = memoryHint{call: call, until: m.now().Add(wholeMillis(ttl))}
	return true, call, nil
}

// holder is the call whose hint is on the agent now, or empty.
func (m *Memory) holder(key agentKey) string {
	h, held := m.hints[key]
	if held && !m.now().Before(h.until) {
		delete(m.hints, key)
		return ""
	}
	return h.call
}

// wholeMillis rounds up to what Redis can express.
func wholeMillis(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

// Missing implements Store. Its queues cannot be lost, because there are none.
func (m *Memory) Missing(_ context.Context, known iter.Seq[Agent]) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for a := range known {
		if _, found := m.agents[agentKey{a.Tenant, a.Agent}]; a.Free && !found {
			m.epoch = epoch{}
		}
	}
	return m.epoch.ID == "", nil
}

// Rebuild implements Store.
func (m *Memory) Rebuild(ctx context.Context, mark Mark, agents iter.Seq2[Agent, error]) error {
	mark, err := mark.canonical()
	if err != nil {
		return err
	}
	lock, err := m.begin(mark)
	if err != nil {
		return err
	}
	defer m.end(lock)
	yielded := map[agentKey]bool{}
	for a, err := range agents {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			a, err = mark.admit(a)
		}
		if err != nil {
			return err
		}
		yielded[agentKey{a.Tenant, a.Agent}] = true
		if err := m.applyUnder(lock, a); err != nil {
			return err
		}
	}
	return m.finish(lock, mark, yielded)
}

// begin takes the lock, unless another rebuild has it or knows a newer stream.
func (m *Memory) begin(mark Mark) (lock int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.epoch.Incarnation > mark.Incarnation:
		return 0, ErrOldIncarnation
	case m.rebuilding != 0:
		return 0, ErrRebuilding
	}
	m.rebuilds++
	m.rebuilding = m.rebuilds
	return m.rebuilding, nil
}

// applyUnder applies as long as the rebuild has not been overtaken by a flush.
func (m *Memory) applyUnder(lock int, a Agent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rebuilding != lock {
		return ErrRebuildLost
	}
	m.apply(a)
	return nil
}

// finish removes what the log does not know and writes the epoch.
func (m *Memory) finish(lock int, mark Mark, yielded map[agentKey]bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rebuilding != lock {
		return ErrRebuildLost
	}
	for key, a := range m.agents {
		if yielded[key] || newer(a.Incarnation, a.Seq, mark.Incarnation, mark.Seq) {
			continue
		}
		delete(m.agents, key)
		if a.Claim != "" && m.hints[key].call == a.Claim {
			delete(m.hints, key)
		}
	}
	m.epoch = epoch{Mark: mark, ID: strconv.Itoa(lock)}
	return nil
}

// end gives the lock back.
func (m *Memory) end(lock int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rebuilding == lock {
		m.rebuilding = 0
	}
}
