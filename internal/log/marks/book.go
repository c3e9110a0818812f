package marks

import (
	"fmt"
	"maps"
	"sync"

	"github.com/outdial/outdial/pkg/events"
)

// remembered is how many of the last places of a stream are known by their
// event's id, for deliveries that come again.
const remembered = 1024

// A Book is what this process knows of the store, kept up with every
// acknowledgement and delivery. It costs a lock and asks nobody. It is safe
// for many goroutines; a nil Book knows nothing and finds nothing.
type Book struct {
	mu      sync.Mutex
	known   Known
	places  map[string]*[remembered]place
	version uint64
	wrong   chan struct{} // closed when the store is found to have gone back
}

type place struct {
	seq uint64
	id  string
}

// NewBook begins with what is known.
func NewBook(k Known) *Book {
	b := &Book{wrong: make(chan struct{})}
	b.begin(k)
	return b
}

func (b *Book) begin(k Known) {
	b.known = k.clone()
	if b.known.Marks == nil {
		b.known.Marks = map[string]Mark{}
	}
	b.places = map[string]*[remembered]place{}
	for s, m := range b.known.Marks {
		b.note(s, m.Seq, m.ID)
	}
	b.version++
	if k.Regression != nil {
		close(b.wrong)
	}
}

// Known is a copy of what is known, and a number that differs from before when
// anything has changed.
func (b *Book) Known() (Known, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known.clone(), b.version
}

// Highest is the last sequence of a stream that anybody here has seen. What is
// sent after asking must be stored above it. Of a store that went back it is 0:
// what is sent now may be acknowledged after somebody has accepted it.
func (b *Book) Highest(stream string) uint64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known.Regression != nil {
		return 0
	}
	return b.known.Marks[stream].Seq
}

// Seen notes a message that was delivered or read, and compares it with what
// is known of its place. Of a store that went back nothing is noted: what was
// known is the evidence.
func (b *Book) Seen(stream string, seq uint64, id string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.see(stream, seq, id)
}

// Acked notes an append that was acknowledged as new. highest is what Highest
// said before it was sent. False: the store has gone back.
func (b *Book) Acked(stream string, seq uint64, id string, highest uint64) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known.Regression == nil && seq <= highest {
		b.regress(stream, fmt.Sprintf("an append was stored at %d, it was known up to %d", seq, highest))
	}
	b.see(stream, seq, id)
	return b.known.Regression == nil
}

func (b *Book) see(stream string, seq uint64, id string) {
	if b.known.Regression != nil || seq == 0 {
		return
	}
	if p := b.places[stream]; p != nil && id != "" {
		if was := p[seq%remembered]; was.seq == seq && was.id != "" && was.id != id {
			b.regress(stream, fmt.Sprintf("another event came from %d than was there", seq))
			return
		}
	}
	b.note(stream, seq, id)
	if m := b.known.Marks[stream]; seq > m.Seq {
		b.known.Marks[stream] = Mark{Created: m.Created, Seq: seq, ID: id}
		b.version++
	}
}

func (b *Book) note(stream string, seq uint64, id string) {
	p := b.places[stream]
	if p == nil {
		p = new([remembered]place)
		b.places[stream] = p
	}
	if p[seq%remembered].seq <= seq {
		p[seq%remembered] = place{seq, id}
	}
}

// Looked judges a look at the server that was asked about the marks in asked,
// and takes its end for known when nothing is wrong.
func (b *Book) Looked(asked map[string]Mark, views map[string]View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range Streams() {
		v, ok := views[s]
		if !ok || b.known.Regression != nil {
			continue
		}
		if why := Judge(asked[s], v); why != "" {
			b.regress(s, why)
			return
		}
		if m := b.known.Marks[s]; !m.Created.Equal(v.Created) {
			m.Created = v.Created
			b.known.Marks[s] = m
			b.version++
		}
		if v.LastID != "" {
			b.see(s, v.Last, v.LastID)
		}
	}
}

// Regress notes that the store went back; only the first word counts.
func (b *Book) Regress(stream, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.regress(stream, why)
}

func (b *Book) regress(stream, why string) {
	if b.known.Regression != nil {
		return
	}
	b.known.Regression = &events.Regression{ID: events.RandomID(), Epoch: b.known.Epoch + 1, Stream: stream, What: why}
	b.version++
	close(b.wrong)
}

// Told puts the record that all processes share in the place of what was found
// here.
func (b *Book) Told(r events.Regression) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fresh := b.known.Regression == nil
	b.known.Regression = &r
	b.version++
	if fresh {
		close(b.wrong)
	}
}

// Held is the regression that nobody has accepted yet; nil: none.
func (b *Book) Held() *events.Regression {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known.Regression
}

// Wrong is closed as soon as the store is found to have gone back.
func (b *Book) Wrong() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wrong
}

// Adopt begins anew with the store as it is: it was accepted, or nothing was
// known of it.
func (b *Book) Adopt(epoch uint64, views map[string]View) {
	k := Known{Epoch: epoch, Marks: map[string]Mark{}}
	for s, v := range views {
		k.Marks[s] = Mark{Created: v.Created, Seq: v.Last, ID: v.LastID}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known.Regression != nil {
		b.wrong = make(chan struct{})
	}
	b.begin(k)
}

// Marks are the marks as they stand, to ask the server about.
func (b *Book) Marks() map[string]Mark {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.known.Marks)
}
