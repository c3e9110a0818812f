package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A Kind is what the simulated company did, or saw, with one entry each.
type Kind string

// The kinds of entries. A Start is an accepted dial: the one that must never
// be there twice for a call.
const (
	Prepare Kind = "prepare"
	Scrub   Kind = "scrub"
	Start   Kind = "start"
	Cancel  Kind = "cancel"
	Offer   Kind = "offer"
	Ring    Kind = "ring"
	Answer  Kind = "answer"
	Talk    Kind = "talk"
	Hold    Kind = "hold"
	End     Kind = "end"
	Wrap    Kind = "wrap"
	Ready   Kind = "ready"
)

// An Entry is one line of the ledger.
type Entry struct {
	N            int       `json:"n"` // place in the ledger, from 1
	At           time.Time `json:"at"`
	Provider     string    `json:"provider"` // the dialect: tcn, webexcc, five9
	Agent        string    `json:"agent,omitempty"`
	Session      string    `json:"session,omitempty"`
	Number       string    `json:"number,omitempty"`       // of the customer, E.164 where the dialect can tell
	ProviderCall string    `json:"providerCall,omitempty"` // the company's id of the call
	Correlation  string    `json:"correlation,omitempty"`  // what the request carried of ours: an account, an attempt
	Kind         Kind      `json:"kind"`
	Detail       string    `json:"detail,omitempty"`
}

// A Ledger is an append-only file of entries, one JSON line each, on disk
// before the company says yes. Without a path it is kept in memory.
type Ledger struct {
	mu      sync.Mutex
	file    *os.File
	closed  bool
	entries []Entry
	grown   chan struct{} // closed and replaced at every entry
}

// OpenLedger opens or makes the ledger at path; "" keeps it in memory. A last
// line that a crash cut short is dropped: nobody was told of it.
func OpenLedger(path string) (*Ledger, error) {
	l := &Ledger{grown: make(chan struct{})}
	if path == "" {
		return l, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	entries, whole, err := parseLedger(f)
	if err == nil {
		err = f.Truncate(whole)
	}
	if err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l.file, l.entries = f, entries
	return l, nil
}

// Append writes one entry and syncs it. An error means that the entry is not
// on record, so the company must not do what it would have recorded.
func (l *Ledger) Append(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("write ledger: %w", os.ErrClosed)
	}
	e.N = len(l.entries) + 1
	if l.file != nil {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("ledger entry: %w", err)
		}
		if _, err := l.file.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
		if err := l.file.Sync(); err != nil {
			return fmt.Errorf("sync ledger: %w", err)
		}
	}
	l.entries = append(l.entries, e)
	close(l.grown)
	l.grown = make(chan struct{})
	return nil
}

// Entries returns what is on record, oldest first.
func (l *Ledger) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Entry{}, l.entries...)
}

// Count says how many entries are of a kind; agent "" counts everybody's.
func (l *Ledger) Count(k Kind, agent string) int {
	n := 0
	for _, e := range l.Entries() {
		if e.Kind == k && (agent == "" || e.Agent == agent) {
			n++
		}
	}
	return n
}

// Grown returns a channel that is closed at the next entry, so that a test can
// wait for one without sleeping.
func (l *Ledger) Grown() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.grown
}

// Close ends the ledger: nothing can be written any more, all can be read.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return f.Close()
}

// ReadLedger reads the ledger at path, also while somebody writes it: a last
// line without its end is left out.
func ReadLedger(path string) ([]Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer func() { _ = f.Close() }()
	entries, _, err := parseLedger(f)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return entries, nil
}

// parseLedger reads whole lines; whole is where the last of them ends.
func parseLedger(r io.Reader) (entries []Entry, whole int64, err error) {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return entries, whole, nil
		}
		if err != nil {
			return nil, 0, err
		}
		var e Entry
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", len(entries)+1, err)
		}
		entries, whole = append(entries, e), whole+int64(len(line))
	}
}
