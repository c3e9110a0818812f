package lane_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/services/events-bridge/lane"
)

var errKilled = errors.New("killed")

// plant is a stream, its consumer, the logs of its keys, and processes that
// carry messages out, on one goroutine: whatever may happen in between happens
// where a draw says so.
type plant struct {
	t       *rapid.T
	stream  []string // the key of each message; the first has sequence 1
	acked   []bool
	logs    map[string][]uint64
	procs   []*process
	hangs   string // a key whose log cannot be written
	nesting int
}

type process struct {
	lanes *lane.Lanes[uint64]
	runs  int // counts its lives
}

func (p *plant) floor() uint64 {
	n := slices.Index(p.acked, false)
	if n < 0 {
		n = len(p.acked)
	}
	return uint64(n)
}

// hear lets a process hear the stream up to a sequence.
func (p *plant) hear(who *process, upto uint64) {
	for seq := who.lanes.Heard() + 1; seq <= upto; seq++ {
		who.lanes.Hear(seq, p.stream[seq-1], seq)
	}
}

func (p *plant) kill(who *process) {
	who.runs++
	who.lanes = lane.New[uint64](1 << 20)
	who.lanes.Begin(p.floor())
}

// deliver is one delivery of a message to a process.
func (p *plant) deliver(who *process, seq uint64) {
	p.hear(who, seq)
	life, key := who.runs, p.stream[seq-1]
	if k, item, ok := who.lanes.At(seq); ok && (k != key || item != seq) {
		p.t.Fatalf("message %d of %s is held as %d of %s", seq, key, item, k)
	}
	err := who.lanes.Through(seq, seq, func(seq, _ uint64, _ bool) error { return p.carryOut(who, life, seq) }, key)
	if err == nil && who.runs == life {
		p.acked[seq-1] = true
	}
}

// carryOut writes a message into its key's log if that does not hold it:
// compare-and-set, and judged anew after a conflict.
func (p *plant) carryOut(who *process, life int, seq uint64) error {
	key := p.stream[seq-1]
	for {
		if who.runs != life {
			return errKilled
		}
		seen := slices.Clone(p.logs[key])
		if len(seen) > 0 && seen[len(seen)-1] >= seq {
			return nil
		}
		p.meanwhile()
		if who.runs != life {
			return errKilled
		}
		if key == p.hangs {
			return errors.New("away")
		}
		if len(p.logs[key]) == len(seen) {
			p.logs[key] = append(p.logs[key], seq)
			p.meanwhile()
			return nil
		}
	}
}

// meanwhile is what others do between two doings of one.
func (p *plant) meanwhile() {
	if p.nesting >= 3 {
		return
	}
	p.nesting++
	defer func() { p.nesting-- }()
	for range rapid.IntRange(0, 2).Draw(p.t, "meanwhile") {
		p.act()
	}
}

func (p *plant) act() {
	who := p.procs[rapid.IntRange(0, len(p.procs)-1).Draw(p.t, "process")]
	switch rapid.IntRange(0, 9).Draw(p.t, "act") {
	case 0:
		p.kill(who)
	case 1:
		who.lanes.Settle(p.floor())
	case 2, 3:
		p.hear(who, uint64(rapid.IntRange(0, len(p.stream)).Draw(p.t, "heard")))
	default:
		if len(p.stream) > 0 {
			p.deliver(who, uint64(rapid.IntRange(1, len(p.stream)).Draw(p.t, "delivered")))
		}
	}
}

// Whoever is delivered what, again, out of order, beside others and after a
// kill: every key's messages are carried out once, in the stream's order, none
// is left out, and a key that cannot be written holds up itself alone.
func TestEachKeysMessagesAreCarriedOutInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &plant{t: t, logs: map[string][]uint64{}, hangs: rapid.SampledFrom([]string{"", "a"}).Draw(t, "hangs")}
		for range 3 {
			who := &process{}
			p.procs = append(p.procs, who)
			p.kill(who)
		}
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			for range rapid.IntRange(0, 4).Draw(t, "burst") {
				p.stream = append(p.stream, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"))
				p.acked = append(p.acked, false)
			}
			p.act()
		}
		p.nesting = 3 // from here on nobody interferes: all of it comes to its end
		for seq, done := range p.acked {
			if !done {
				p.deliver(p.procs[seq%3], uint64(seq+1))
			}
		}
		for _, key := range []string{"a", "b", "c"} {
			var want []uint64
			for i, k := range p.stream {
				if k == key && k != p.hangs {
					want = append(want, uint64(i+1))
				}
			}
			if !slices.Equal(p.logs[key], want) {
				t.Fatalf("of %s were carried out %v, want %v", key, p.logs[key], want)
			}
		}
		for _, who := range p.procs {
			who.lanes.Settle(p.floor())
			if n, left := who.lanes.Held(), len(p.stream)-int(p.floor()); n > left {
				t.Fatalf("%d messages are held, %d are not acknowledged", n, left)
			}
		}
	})
}

func TestAMessageWaitsForTheFollower(t *testing.T) {
	t.Parallel()
	l := lane.New[string](10)
	if err := l.Reach(t.Context(), 7); err != nil {
		t.Errorf("nobody follows, and yet: %v", err)
	}
	l.Begin(4)
	if err := l.Reach(t.Context(), 4); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := l.Reach(ctx, 6); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("not heard yet: %v", err)
	}
	reached := make(chan error)
	go func() { reached <- l.Reach(t.Context(), 6) }()
	l.Hear(5, "a", "x")
	l.Hear(7, "", "nobody's") // 6 is gone from the stream
	if err := <-reached; err != nil {
		t.Error(err)
	}
	go func() { reached <- l.Reach(t.Context(), 8) }()
	l.End()
	if err := <-reached; !errors.Is(err, lane.ErrEnded) {
		t.Errorf("nothing comes any more: %v", err)
	}
}

func TestMemoryIsBoundedByWhatIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	l := lane.New[int](100)
	l.Begin(0)
	seq := uint64(0)
	for range 50_000 { // one key hangs, the others go on
		seq++
		key := fmt.Sprint("k", seq%10)
		l.Hear(seq, key, 0)
		if seq%10 != 0 {
			l.Done(seq, key)
		}
	}
	if n := l.Held(); n != 100 {
		t.Errorf("%d are held, want the last 100", n)
	}
	l.Settle(seq)
	if n := l.Held(); n != 0 {
		t.Errorf("%d are held of what is acknowledged", n)
	}
}
