package runtime

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

const (
	// saveEvery is how much of what was seen a crash may forget.
	saveEvery = time.Second
	// lookEvery is how many of those pass between two looks at streams that
	// this process may hear nothing of.
	lookEvery = 10
)

// A past is what this process knows of the store, kept in a folder beside it
// and held against it, so that a store that went back in time is noticed, told
// to the others and not forgotten by a restart.
type past struct {
	js     jetstream.JetStream
	book   *marks.Book
	guard  *log.Guard
	dir    string // "": nothing is kept
	logger *slog.Logger
	now    func() time.Time
	role   events.Role
	who    string

	mu       sync.Mutex
	standing marks.Standing
	changed  chan struct{} // closed and replaced when the standing changes
	fresh    bool          // nothing was stored and nothing known at the start
	keeper   Keeper
	compared bool // with what the keeper holds

	comparing sync.Mutex // once: what comes after is what this process has kept there

	control atomic.Pointer[worker.Tailer] // hears of news in CONTROL; nil: nobody does
	news    chan struct{}                 // there is some
	read    bool                          // the record was read, and nothing has come since
	linked  uint64                        // and how often the connection had been made anew then

	saved, kept uint64 // versions of the book
	told        string // the regression that the log speaks of, by id
	alarmed     string // and the alarm
	failed      bool   // to save, and said so
	unkept      bool   // by the keeper, and said so
	stop        context.CancelFunc
	done        chan struct{}
}

// openPast meets the store. It fails when the store cannot be looked at, or
// when what was known can be neither read nor kept: a process without a memory
// would believe any store.
func openPast(ctx context.Context, h *Host, dir string) (*past, error) {
	p := &past{js: h.JS, dir: dir, logger: h.Logger, now: h.Now, role: h.role, who: h.Service,
		changed: make(chan struct{}), news: make(chan struct{}, 1), done: make(chan struct{})}
	var known *marks.Known
	var err error
	if dir != "" {
		if known, err = marks.Load(dir); err != nil {
			return nil, err
		}
	}
	if err := p.meet(ctx, known); err != nil {
		return nil, err
	}
	p.guard = log.NewGuard(h.JS, p.book)
	if err := p.guard.Ready(ctx); err != nil {
		return nil, err
	}
	if err := p.save(); err != nil {
		return nil, err
	}
	if err := p.measure(h.Telemetry.Meter); err != nil {
		return nil, err
	}
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	go p.run(ctx)
	return p, nil
}

// measure counts a store in question as 1.
func (p *past) measure(m metric.MeterProvider) error {
	_, err := m.Meter("github.com/outdial/outdial/internal/runtime").Int64ObservableGauge("outdial.store.held",
		metric.WithDescription("1 while the store has gone back in time and nobody has accepted it."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			held := int64(0)
			if p.book.Held() != nil {
				held = 1
			}
			o.Observe(held, metric.WithAttributes(attribute.String("role", string(p.role))))
			return nil
		}))
	return err
}

// meet compares what was known with the store.
func (p *past) meet(ctx context.Context, known *marks.Known) error {
	record, _, err := RecordOf(ctx, p.js)
	if err != nil {
		return err
	}
	var asked map[string]marks.Mark
	if known != nil {
		asked = known.Marks
	}
	views, err := log.Views(ctx, p.js, asked, true)
	if err != nil {
		return err
	}
	finding, stream, why := marks.Meet(known, record, views)
	switch finding {
	case marks.Sound:
		if known.Regression != nil {
			p.logger.Warn("an older store was met before; this one holds all that was known, and is believed")
			known.Regression = nil
		}
		p.book = marks.NewBook(*known)
		p.book.Looked(known.Marks, views)
	case marks.WentBack:
		p.book = marks.NewBook(*known)
		p.book.Regress(stream, why)
	default:
		p.book = marks.NewBook(marks.Known{})
		p.book.Adopt(record.Epoch(), views)
		p.fresh = finding == marks.New
	}
	switch finding {
	case marks.New:
		p.logger.Info("a new store: nothing is stored yet, and nothing was known of it")
	case marks.Adopted:
		p.logger.Warn("nothing was known of this store; it is believed as it is", "state", p.dir)
	case marks.Accepted:
		p.logger.Warn("the store was accepted after it went back in time; what was known of it is dropped", "state", p.dir)
	}
	if open := record.Open(); open != nil {
		p.book.Told(*open)
	}
	p.stand(record)
	return nil
}

// RecordOf reads what the store says about its past, and the sequence of its
// word about the last regression.
func RecordOf(ctx context.Context, js jetstream.JetStream) (r marks.Record, seq uint64, err error) {
	accepted, _, err := log.GetControl(ctx, js, events.AcceptanceSubject())
	if err != nil && !errors.Is(err, log.ErrNone) {
		return r, 0, err
	}
	found, seq, err := log.GetControl(ctx, js, events.RegressionSubject())
	if errors.Is(err, log.ErrNone) {
		err = nil
	}
	return marks.Record{Regression: found.Regression, Acceptance: accepted.Acceptance}, seq, err
}

// run keeps the past until it is stopped.
func (p *past) run(ctx context.Context) {
	defer close(p.done)
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	wrong := p.book.Wrong()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-wrong:
			wrong = nil
		case <-p.news:
			p.read = false
		case <-tick.C:
		}
		if p.turn(ctx, n%lookEvery == 0); p.book.Held() == nil {
			wrong = p.book.Wrong()
		}
	}
}

// turn does once what is done every second. Whatever fails is done at the next
// turn; no append waits for any of it.
func (p *past) turn(ctx context.Context, look bool) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if p.js.Conn().IsConnected() {
		if err := p.ask(ctx, look); err != nil && ctx.Err() == nil {
			p.logger.Debug("the store cannot be looked at now", "code", fault.Code(err))
		}
	}
	p.remember(ctx)
}

// poke has the record read at once.
func (p *past) poke() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// current reports whether what was read of the record still holds: nothing of
// CONTROL has come since on the same connection, and it is being heard. While
// the store is in question nothing is taken for current.
func (p *past) current() bool {
	t := p.control.Load()
	return p.read && p.linked == p.js.Conn().Stats().Reconnects && t != nil && t.Hears() && p.book.Held() == nil
}

// ask looks at the server as far as is due, and at the record that all share
// when it may say something new.
func (p *past) ask(ctx context.Context, look bool) error {
	if err := p.guard.Ready(ctx); err != nil {
		return err
	}
	if look {
		if err := p.guard.Look(ctx); err != nil {
			return err
		}
	}
	if p.current() {
		return nil
	}
	linked := p.js.Conn().Stats().Reconnects
	record, seq, err := RecordOf(ctx, p.js)
	if err != nil {
		return err
	}
	if err := p.obey(ctx, record); err != nil {
		return err
	}
	if err := p.tell(ctx, record, seq); err != nil {
		return err
	}
	p.read, p.linked = true, linked
	return nil
}

// obey hears what the others have found, and what the operators decided.
func (p *past) obey(ctx context.Context, record marks.Record) error {
	k, _ := p.book.Known()
	switch epoch := record.Epoch(); {
	case epoch > k.Epoch:
		views, err := log.Views(ctx, p.js, nil, true)
		if err != nil {
			return err
		}
		p.stand(record) // what it closes is known before anything is dialed again
		p.book.Adopt(epoch, views)
		p.logger.Warn("the store was accepted; what was known of it before is dropped")
	case epoch < k.Epoch:
		p.book.Regress(events.StreamControl, "its record of accepted stores is gone")
	}
	if open := record.Open(); open != nil {
		p.book.Told(*open)
	}
	p.stand(record)
	return nil
}

// stand takes over the record's word, and wakes who waits for another one.
func (p *past) stand(record marks.Record) {
	now := record.Standing()
	now.Held = p.book.Held() != nil
	p.mu.Lock()
	defer p.mu.Unlock()
	if was := p.standing; was.Held != now.Held || was.Epoch != now.Epoch {
		close(p.changed)
		p.changed = make(chan struct{})
	}
	p.standing = now
}

// change is closed when the standing changes.
func (p *past) change() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// tell puts what was found here on record for all, and raises the alarm. The
// acceptance must be of a later epoch than any that is known.
func (p *past) tell(ctx context.Context, record marks.Record, seq uint64) error {
	k, _ := p.book.Known()
	if k.Regression == nil {
		return nil
	}
	if open := record.Open(); open == nil || open.Epoch <= k.Epoch {
		mine := *k.Regression
		mine.Epoch = max(k.Epoch, record.Epoch()) + 1
		if mine.Service == "" {
			mine.Service, mine.SeenAt = p.who, p.now()
		}
		_, err := log.PutControl(ctx, p.js, events.RegressionSubject(), events.SourceOf(events.AnyTenant, p.role),
			events.Control{Name: "regression", Regression: &mine, By: p.who, At: p.now()}, seq)
		if err != nil {
			return err // somebody else was first, or nobody is there: again
		}
		record.Regression = &mine
	}
	found := *record.Regression
	p.book.Told(found)
	p.stand(record)
	if p.told != found.ID {
		p.told = found.ID
		p.logger.Error("THE STORE WENT BACK IN TIME: nothing is dialed until `outdial resolve-regression` accepts it",
			"stream", found.Stream, "found", found.What, "by", found.Service)
	}
	if p.alarmed == found.ID {
		return nil
	}
	err := p.alarm(ctx, found)
	if err == nil {
		p.alarmed = found.ID
	}
	return err
}

// alarm is one for all processes, by its id.
func (p *past) alarm(ctx context.Context, r events.Regression) error {
	_, _, err := log.Plain(ctx, p.js, log.Note{
		To: events.OpsSubject(events.AnyTenant, "alarm"), Type: events.TypeOps, Source: events.SourceOf(events.AnyTenant, p.role),
		ID: events.EventID(r.ID, events.TypeOps, "alarm"), Time: p.now(),
		Body: events.Ops{Event: "alarm", Service: r.Service, Tenant: events.AnyTenant,
			What:    "the store went back in time; nothing is dialed until `outdial resolve-regression` accepts it",
			Details: map[string]string{"regression": r.ID, "stream": r.Stream, "found": r.What}, At: p.now()},
	})
	return err
}

// epoch is how many stores were accepted.
func (p *past) epoch() uint64 {
	k, _ := p.book.Known()
	return k.Epoch
}

// opened is what was kept of the open calls, nil for nothing; why says that it
// does not fit the store. The error is that the store cannot be asked.
func (p *past) opened(ctx context.Context) (o *marks.Open, why string, err error) {
	if p.dir == "" {
		return nil, "", nil
	}
	if o, err = marks.LoadOpen(p.dir); err != nil {
		return nil, err.Error(), nil
	}
	if o == nil || o.Seq == 0 {
		return nil, "", nil
	}
	views, err := log.Views(ctx, p.js, map[string]marks.Mark{events.StreamCalls: {Seq: o.Seq}}, false)
	if err != nil {
		return nil, "", err
	}
	if why = o.Fits(views[events.StreamCalls], p.epoch()); why != "" {
		return nil, why, nil
	}
	return o, "", nil
}

func (p *past) keepOpen(o marks.Open) error {
	if p.dir == "" || o.Seq == 0 || o.ID == "" {
		return nil
	}
	return marks.SaveOpen(p.dir, o)
}

// close ends the keeping, after a last save.
func (p *past) close() {
	p.stop()
	<-p.done
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	p.remember(ctx)
}
