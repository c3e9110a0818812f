// Package providertest is the exam that every provider must pass, with each part
// that it has. Which parts those are its Product says; what the exam needs to ask
// one and is not given is a question not answered.
//
// It plays the telephone company on a bare listener and counts what arrives:
// whatever goes wrong, a start is sent once, never twice, and every error says what
// may have happened and quotes nobody. What a whole company is needed for, looking
// up, taking back and reading a feed, is asked of the provider's own simulator. Two
// things are not asked here: whether the words mean what the company means by them
// (Replay, with its documents), and who may post, which is the connection's
// credential and the same for every provider.
package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// A Dialect is what the exam must know of a provider.
type Dialect struct {
	// Product is the provider's line in the registry.
	Product providers.Product
	// Settings are those of a connection to a company at baseURL (http, or https with
	// a certificate that nobody trusts). Nil: a new section, of who has no address.
	Settings func(baseURL string) providers.Section
	// Company is a company of the provider's simulator, a new one each time. Required
	// of who looks up, takes back or keeps a feed.
	Company func() Company
	// News are messages as the Reader gets them, of the order's call; at least one.
	News [][]byte
	// Post is what the Hook takes apart, Items into how many. Required of a Hook.
	Post  []byte
	Items int

	// New makes a client of a Starter alone, that is no product.
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

// A Company is the telephone company as a provider's own simulator plays it.
type Company struct {
	URL string
	// Order is one that it can take, prepared where there is something to prepare, and
	// each time another's. Nil: the dialect's, with an attempt of its own.
	Order func() providers.Order
	// Placed is how many calls it has placed, by its ledger.
	Placed func() int
	// Ring has the calls that it took, and that rang not yet, ring and end before it
	// returns: until then they do neither, where they can be taken back. Rang is how
	// many calls rang by now, Kept how many items its feed has. Required: Ring and Rang
	// of who takes calls back, Ring and Kept of a Feeder.
	Ring func()
	Rang func() int
	Kept func() int
}

// provider is the connection to a company, or by way of a desktop.
func (d Dialect) provider(baseURL string, desk providers.Desktop) (providers.Provider, error) {
	if d.Product.Section == nil {
		return providers.Provider{Starter: d.New(baseURL)}, nil
	}
	s := d.Product.Section()
	if d.Settings != nil {
		s = d.Settings(baseURL)
	}
	if wrongs := s.Check(); len(wrongs) > 0 {
		return providers.Provider{}, wrong("the settings: %s %s", strings.Join(wrongs[0].At, "."), wrongs[0].Says)
	}
	return d.Product.Build(s, providers.Deps{Desktop: desk, HomeRegion: "US"})
}

// starter is the connection's.
func (d Dialect) starter(baseURL string) providers.Starter {
	p, err := d.provider(baseURL, nil)
	if err != nil {
		return unbuilt{err}
	}
	return p.Starter
}

// unbuilt is the starter of a provider that cannot be built.
type unbuilt struct{ error }

func (u unbuilt) Start(context.Context, providers.Order) (providers.Receipt, error) {
	return providers.Receipt{}, u.error
}

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

// Fails has a provider sit one question and expects it to fail for a reason: the
// control of a question.
func Fails(t *testing.T, d Dialect, story, says string) {
	t.Helper()
	for _, q := range Questions(d) {
		if q.Story == story {
			if err := q.Ask(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("the exam says %v, want %q", err, says)
			}
			return
		}
	}
	t.Errorf("there is no question %q", story)
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
	return d.judge(ctx, d.starter(url), o, c, want)
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
		if receipt.Pending && !d.Product.Can.Pending {
			return wrong("it waits for an agent, and does not say that it may")
		}
		if receipt.Pending && receipt.Until.IsZero() {
			return wrong("it waits for an agent without end")
		}
		if len(receipt.IDs) == 0 && !receipt.Pending {
			return wrong("a receipt without an id")
		}
		if d.Product.Can.Progress.OfCalls() && receipt.IDs[providers.CallID] == "" && !receipt.Pending {
			return wrong("no id in the receipt is the call's: its news is found by the one under providers.CallID")
		}
		return nil
	}
	if err == nil {
		return wrong("it took it for a yes, want %s", want.class)
	}
	return d.typed(err, want.class)
}

// typed says what is wrong with an error: of what class it is, and whom it quotes.
func (d Dialect) typed(err error, classes ...fault.Class) error {
	if _, ok := errors.AsType[*fault.Error](err); !ok || !slices.Contains(classes, fault.Of(err)) {
		var want []string
		for _, c := range classes {
			want = append(want, c.String())
		}
		return wrong("got %v (%s), want %s", err, fault.Of(err), strings.Join(want, " or "))
	}
	return d.quotes(err.Error())
}

// quotes says whether a text gives somebody's secret away.
func (d Dialect) quotes(text string) error {
	for _, secret := range d.Secrets {
		if strings.Contains(text, secret) {
			return wrong("a secret is given away")
		}
	}
	return nil
}
