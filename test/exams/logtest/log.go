package logtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// What the streams CALLS and AGENTS are provisioned with.
const (
	perSubject = 64              // events of one kind on one log
	duplicates = 2 * time.Minute // how long an id is remembered
)

// Log is a log.Leader in memory. Make one with New; it is safe for use by many
// goroutines.
type Log struct {
	now func() time.Time

	mu      sync.Mutex
	streams map[events.Family]*stream
	traps   []*trap
	cut     bool
}

var _ log.Leader = (*Log)(nil)

// New makes an empty log. Whatever is stored is stamped by now, and ids are
// remembered by it for two minutes; nil stops the clock, and then ids are
// remembered for ever.
func New(now func() time.Time) *Log {
	if now == nil {
		now = func() time.Time { return time.Time{} }
	}
	return &Log{now: now, streams: map[events.Family]*stream{
		events.CallFamily: newStream(), events.AgentFamily: newStream(),
	}}
}

// Copy is the log as it stands, put aside: what is appended to the one is not in
// the other. Sequences that were given out since are given out again by it.
func (l *Log) Copy() *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := New(l.now)
	for f, s := range l.streams {
		c.streams[f] = s.copied()
	}
	return c
}

// End is the last sequence of a family that was given out.
func (l *Log) End(f events.Family) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams[f].last
}

// stream is what JetStream keeps of a family, and what was read of it: what is
// stored never changes, so it is decoded once.
type stream struct {
	msgs      []*message // by sequence; those that made room are gone
	logs      map[logKey][]*message
	bySubject map[string][]*message
	last      uint64
	ids       map[string]*message
}

type logKey struct{ tenant, key string }

type message struct {
	seq     uint64
	at      time.Time
	after   uint64 // what its writer followed on
	subject string
	header  events.Header
	data    []byte
	decode  func() (events.Record, error)
}

func newStream() *stream {
	return &stream{logs: map[logKey][]*message{}, bySubject: map[string][]*message{}, ids: map[string]*message{}}
}

// copied shares the messages, which never change.
func (s *stream) copied() *stream {
	c := newStream()
	c.msgs, c.last, c.ids = slices.Clone(s.msgs), s.last, maps.Clone(s.ids)
	for k, ms := range s.logs {
		c.logs[k] = slices.Clone(ms)
	}
	for k, ms := range s.bySubject {
		c.bySubject[k] = slices.Clone(ms)
	}
	return c
}

// once says that the event stands for an act that must not happen twice, and
// so has a random id.
func once(d log.Draft) bool {
	return d.Family == events.CallFamily && (d.Name == events.Dialing || d.Name == events.Preparing)
}

// Append implements log.Leader.
func (l *Log) Append(ctx context.Context, d log.Draft) (log.Appended, error) {
	if l.spring(d.Name) {
		return log.Appended{}, unavailable("append", errors.New("a trap"))
	}
	return l.AppendWith(ctx, d, l.failure(d.Name))
}

// AppendWith appends in the one way to go wrong that is named.
func (l *Log) AppendWith(ctx context.Context, d log.Draft, f Fault) (log.Appended, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reachable(ctx, "append"); err != nil {
		return log.Appended{}, err
	}
	switch f {
	case Conflict:
		return log.Appended{}, conflict()
	case NotStored:
		return log.Appended{}, unknown()
	case Down:
		return log.Appended{}, unavailable("append", errors.New("a trap"))
	}
	a, err := l.append(d)
	switch {
	case err == nil && f == LostAnswer:
		a.Won = false
	case err == nil && f == StoredUnknown:
		return log.Appended{}, unknown()
	}
	return a, err
}

// Fits says that a draft would be stored as new, so that nothing of an atomic
// batch is refused because of it.
func (l *Log) Fits(d log.Draft) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, after := l.streams[d.Family], uint64(0)
	if last := s.lastOf(d.Tenant, d.Key); last != nil {
		after = last.seq
	}
	id := d.ID
	if id == "" && !once(d) {
		id = events.EventID(d.Cause, events.TypeOf(d.Family, d.Name), d.Key)
	}
	was, dup := s.ids[d.Tenant+"."+d.Key+"."+id]
	full := d.Family == events.CallFamily && len(s.bySubject[record(d).Subject()]) >= perSubject
	return after == d.After && !full && !(dup && l.now().Sub(was.at) < duplicates)
}

// append does what the broker and the client of it do together.
func (l *Log) append(d log.Draft) (log.Appended, error) {
	derived := d.ID == "" && !once(d)
	typ := events.TypeOf(d.Family, d.Name)
	switch {
	case d.ID != "":
	case !derived:
		d.ID = events.RandomID()
	default:
		d.ID = events.EventID(d.Cause, typ, d.Key)
	}
	ids := []string{d.ID}
	m, dup, err := l.send(d)
	if derived {
		second := events.EventID(d.Cause, typ, d.Key+"@"+strconv.FormatUint(d.After, 10))
		ids = append(ids, second)
		if err == nil && dup && m.seq <= d.After {
			d.ID = second
			m, dup, err = l.send(d)
		}
	}
	if err == nil && !dup {
		r := record(d)
		r.Seq, r.After = m.seq, d.After
		return log.Appended{Record: r, Won: true}, nil
	}
	if err != nil && !errors.Is(err, log.ErrConflict) {
		return log.Appended{}, err
	}
	last := l.streams[d.Family].lastOf(d.Tenant, d.Key)
	if last == nil {
		return log.Appended{}, conflict()
	}
	if r, err := last.decode(); err == nil && slices.Contains(ids, r.ID) {
		return log.Appended{Record: r}, nil
	}
	return log.Appended{}, conflict()
}

// send is the broker's part: the id first, then the sequence, then the limits.
func (l *Log) send(d log.Draft) (*message, bool, error) {
	h, data, err := events.EncodeRecord(record(d))
	if err != nil {
		return nil, false, err
	}
	if len(data) > log.MaxBody {
		return nil, false, fault.New(fault.Permanent, "append", log.CodeTooLarge,
			fmt.Errorf("%d bytes, at most %d", len(data), log.MaxBody))
	}
	s, id, now := l.streams[d.Family], d.Tenant+"."+d.Key+"."+d.ID, l.now()
	if was, ok := s.ids[id]; ok && now.Sub(was.at) < duplicates {
		return was, true, nil
	}
	after := uint64(0)
	if last := s.lastOf(d.Tenant, d.Key); last != nil {
		after = last.seq
	}
	if after != d.After {
		return nil, false, conflict()
	}
	m := &message{at: now, after: d.After, subject: record(d).Subject(), header: h, data: data}
	if err := s.makeRoom(d.Family, m.subject); err != nil {
		return nil, false, err
	}
	s.store(m)
	s.ids[id] = m
	return m, false, nil
}

func (s *stream) store(m *message) {
	s.last++
	m.seq = s.last
	m.decode = sync.OnceValues(m.record)
	s.msgs = append(s.msgs, m)
	s.bySubject[m.subject] = append(s.bySubject[m.subject], m)
	if k, ok := m.log(); ok {
		s.logs[k] = append(s.logs[k], m)
	}
}

// makeRoom keeps the limit per subject: CALLS refuses what is new, AGENTS lets
// go of what is old.
func (s *stream) makeRoom(f events.Family, subject string) error {
	kind := s.bySubject[subject]
	switch {
	case len(kind) < perSubject:
		return nil
	case f == events.CallFamily:
		return fault.New(fault.Permanent, "append", log.CodeLogFull, errors.New("maximum messages per subject exceeded"))
	}
	old := kind[0]
	without := func(ms []*message) []*message {
		i, _ := slices.BinarySearchFunc(ms, old.seq, bySeq)
		return slices.Delete(ms, i, i+1)
	}
	s.msgs, s.bySubject[subject] = without(s.msgs), without(kind)
	if k, ok := old.log(); ok {
		s.logs[k] = without(s.logs[k])
	}
	return nil
}

func bySeq(m *message, seq uint64) int { return cmp.Compare(m.seq, seq) }

// lastOf is the end of a log, nil of an empty one.
func (s *stream) lastOf(tenant, key string) *message {
	ms := s.logs[logKey{tenant, key}]
	if len(ms) == 0 {
		return nil
	}
	return ms[len(ms)-1]
}

func (m *message) log() (logKey, bool) {
	_, t, k, _, _, ok := events.ParseLogSubject(m.subject)
	return logKey{t, k}, ok
}

// record decodes what is stored, with the codes of the real log.
func (m *message) record() (events.Record, error) {
	r, err := events.DecodeRecord(m.subject, m.header, m.data)
	if err != nil {
		code := log.CodeUndecodable
		if errors.Is(err, events.ErrUnknownEvent) {
			code = log.CodeUnknownEvent
		}
		return events.Record{}, fault.New(fault.Permanent, "read log", code, fmt.Errorf("sequence %d: %w", m.seq, err))
	}
	r.Seq, r.Stored, r.After = m.seq, m.at, m.after
	return r, nil
}

func record(d log.Draft) events.Record {
	body := d.Body
	if v := reflect.ValueOf(body); v.Kind() == reflect.Struct {
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		body = p.Interface()
	}
	return events.Record{Family: d.Family, Tenant: d.Tenant, Key: d.Key, Role: d.Role, Name: d.Name,
		ID: d.ID, Time: d.Time, Cause: d.Cause, Place: d.Place, TraceParent: d.TraceParent, Body: body}
}

// Read implements log.Leader.
func (l *Log) Read(ctx context.Context, f events.Family, tenant, key string, first uint64) ([]events.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reachable(ctx, "read log"); err != nil {
		return nil, err
	}
	var out []events.Record
	for _, m := range l.streams[f].logs[logKey{tenant, key}] {
		if m.seq < first {
			continue
		}
		r, err := m.decode()
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// Last implements log.Leader.
func (l *Log) Last(ctx context.Context, f events.Family, tenant, key string) (events.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reachable(ctx, "read log"); err != nil {
		return events.Record{}, err
	}
	m := l.streams[f].lastOf(tenant, key)
	if m == nil {
		return events.Record{}, log.ErrNone
	}
	return m.decode()
}

// At implements log.Leader.
func (l *Log) At(ctx context.Context, f events.Family, seq uint64) (events.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reachable(ctx, "read log"); err != nil {
		return events.Record{}, err
	}
	i, ok := slices.BinarySearchFunc(l.streams[f].msgs, seq, bySeq)
	if !ok {
		return events.Record{}, log.ErrNone
	}
	return l.streams[f].msgs[i].decode()
}

// From lists a family's events from a sequence on, in order, as a consumer of
// its stream hears them. What cannot be decoded is an error.
func (l *Log) From(f events.Family, seq uint64) ([]events.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []events.Record
	msgs := l.streams[f].msgs
	i, _ := slices.BinarySearchFunc(msgs, seq, bySeq)
	for _, m := range msgs[i:] {
		r, err := m.decode()
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

// Plant stores a message past every check, as a writer of another version
// would, and returns its sequence.
func (l *Log) Plant(f events.Family, subject string, h events.Header, data []byte) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &message{at: l.now(), subject: subject, header: h, data: data}
	l.streams[f].store(m)
	return m.seq
}
