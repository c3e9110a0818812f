// Package providertest is the exam that every provider with a Starter over
// HTTP must pass. A client is done when Run is green; there is nothing else to
// remember.
//
// The exam plays the telephone company on a bare listener and counts what
// arrives: whatever goes wrong, a start is sent once, never twice, and its
// error says what may have happened.
package providertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// A Dialect is what the exam must know of a provider.
type Dialect struct {
	// New makes a client for a company at baseURL (http, or https with a
	// certificate that nobody trusts).
	New func(baseURL string) providers.Starter
	// Order is an order that the client can start; NotAfter is set by the exam.
	Order func() providers.Order
	// Sent reads the numbers and the instant out of what was sent. Without it the
	// provider takes one number: no other of the order's may be in its request.
	Sent func(body []byte) (numbers []string, callAt time.Time, err error)
	// Yes is the body of the company's 2xx to a start.
	Yes string
	// AnyBodyIsYes: the provider's manual shows no answer, so every whole 2xx
	// is a yes. Otherwise a broken body is Uncertain.
	AnyBodyIsYes bool
	// Pending is what the provider says in its Capabilities: only then its yes may
	// be that it waits for the agent, and until when.
	Pending bool
	// SlowDownIsNotExecuted: the manual says that 429 means not executed, so
	// it is Transient. Otherwise it is Uncertain.
	SlowDownIsNotExecuted bool
	// Secrets must not turn up in an error: numbers, metadata, tokens.
	Secrets []string
}

// patience is how long the client is given where the company keeps silent.
const patience = time.Second

// slack is how much longer it may take than it was given.
const slack = 3 * time.Second

// Run sits the exam.
func Run(t *testing.T, d Dialect) {
	t.Helper()
	for _, q := range Questions(d) {
		t.Run(q.Story, func(t *testing.T) {
			t.Parallel()
			if err := q.Ask(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A Question is one case of the exam. Ask returns what is wrong, or nil.
type Question struct {
	Story string
	Ask   func(ctx context.Context) error
}

// expectation is what a start must come to.
type expectation struct {
	yes   bool
	class fault.Class
	posts int
}

var errWrong = errors.New("the exam is not passed")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errWrong, fmt.Sprintf(format, args...))
}

// start places the order at the company and holds the outcome against what
// was expected.
func (d Dialect) start(ctx context.Context, url string, c *company, want expectation) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o := d.Order()
	o.NotAfter = time.Now().Add(time.Minute)
	return d.judge(ctx, d.New(url), o, c, want)
}

func (d Dialect) judge(ctx context.Context, s providers.Starter, o providers.Order, c *company, want expectation) error {
	began := time.Now()
	receipt, err := s.Start(ctx, o)
	took := time.Since(began)
	if n := c.posts(); n != want.posts {
		return wrong("%d requests arrived, want %d", n, want.posts)
	}
	if took > patience+slack {
		return wrong("it took %v", took)
	}
	if want.yes {
		if err != nil {
			return wrong("a yes became %v", err)
		}
		if receipt.Pending && !d.Pending {
			return wrong("it waits for an agent, and does not say that it may")
		}
		if receipt.Pending && receipt.Until.IsZero() {
			return wrong("it waits for an agent without end")
		}
		if len(receipt.IDs) == 0 && !receipt.Pending {
			return wrong("a receipt without an id")
		}
		return nil
	}
	if err == nil {
		return wrong("it took it for a yes, want %s", want.class)
	}
	if _, ok := errors.AsType[*fault.Error](err); !ok || fault.Of(err) != want.class {
		return wrong("got %v (%s), want %s", err, fault.Of(err), want.class)
	}
	for _, secret := range d.Secrets {
		if strings.Contains(err.Error(), secret) {
			return wrong("the error gives a secret away")
		}
	}
	return nil
}
