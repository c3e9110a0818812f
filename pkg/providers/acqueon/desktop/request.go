package desktop

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
)

// send writes a request and waits for the page's word. See Hub.Send.
func (s *socket) send(ctx context.Context, attempt string, notAfter time.Time, message []byte) error {
	if !json.Valid(message) {
		return fault.New(fault.Permanent, "send to desktop", "bad_request", nil)
	}
	select {
	case <-s.greeted:
	case <-s.ctx.Done():
		return noDesktop()
	case <-ctx.Done():
		return fault.New(fault.Transient, "send to desktop", "cancelled", ctx.Err())
	}
	answer, err := s.begin(ctx, attempt, notAfter)
	if err != nil {
		return err
	}
	defer func() {
		s.mu.Lock()
		delete(s.waiting, attempt)
		s.mu.Unlock()
	}()

	req := toPage{Outdial: "request", Attempt: attempt, NotAfter: notAfter.UnixMilli(), Message: message}
	if err := s.write(req); err != nil {
		s.end(EndLost)
		return fault.New(fault.Uncertain, "send to desktop", "socket_lost", nil)
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fault.New(fault.Uncertain, "send to desktop", "no_reply", ctx.Err())
	}
}

// begin notes an attempt that may still be sent, and who waits for its answer.
func (s *socket) begin(ctx context.Context, attempt string, notAfter time.Time) (chan error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ctx.Err() != nil:
		return nil, noDesktop()
	case s.sent[attempt]:
		return nil, fault.New(fault.Uncertain, "send to desktop", "repeat", nil)
	case !s.hub.Now().Before(notAfter):
		return nil, fault.New(fault.Permanent, "send to desktop", "late", nil)
	case ctx.Err() != nil:
		return nil, fault.New(fault.Transient, "send to desktop", "cancelled", ctx.Err())
	}
	answer := make(chan error, 1)
	s.sent[attempt], s.waiting[attempt] = true, answer
	return answer, nil
}

// answered takes an acknowledgment or a refusal to whoever waits for it, and
// reports whether raw was one.
func (s *socket) answered(raw []byte) bool {
	var m fromPage
	if !bytes.Contains(raw, []byte(`"outdial"`)) {
		return false // nearly all that comes is the bus's, and long
	}
	if json.Unmarshal(raw, &m) != nil || (m.Outdial != "ack" && m.Outdial != "nak") {
		return false
	}
	s.mu.Lock()
	answer := s.waiting[m.Attempt]
	delete(s.waiting, m.Attempt)
	s.mu.Unlock()
	if answer == nil {
		return true // late, or to nothing we asked
	}
	if m.Outdial == "ack" {
		answer <- nil
	} else {
		answer <- refusal(m.Reason)
	}
	return true
}

// refusal is what a page's no means. It posted nothing; but where it says that
// it has seen the attempt before, it may have posted the first copy. The reason
// becomes a code, which logs and metrics show, so it is one of the relay's own.
func refusal(reason string) error {
	switch reason {
	case "repeat":
		return fault.New(fault.Uncertain, "send to desktop", "repeat", nil)
	case "late", "not_ready", "bad_request", "unsupported_version":
		return fault.New(fault.Permanent, "send to desktop", reason, nil)
	}
	return fault.New(fault.Permanent, "send to desktop", "refused", nil)
}

// fail tells everybody who still waits that the socket is gone.
func (s *socket) fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for attempt, answer := range s.waiting {
		answer <- fault.New(fault.Uncertain, "send to desktop", "socket_lost", nil)
		delete(s.waiting, attempt)
	}
}
