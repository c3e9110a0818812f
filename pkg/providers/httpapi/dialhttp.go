package httpapi

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Limits on what a provider may answer.
const (
	DefaultMaxAnswer = 1 << 20  // bytes of a body that are read
	maxHeaderBytes   = 64 << 10 // bytes of an answer's headers
)

// DefaultTimeout bounds one exchange when Options and the context do not.
const DefaultTimeout = 10 * time.Second

// Options configure both doers. The zero value works.
type Options struct {
	Timeout   time.Duration    // of a whole exchange; 0 is DefaultTimeout. The context may be shorter
	MaxAnswer int64            // bytes of a body that are read; 0 is DefaultMaxAnswer
	Tracer    trace.Tracer     // nil: no spans of its own, the caller's trace is still passed on
	Now       func() time.Time // the clock NotAfter is measured by; nil is time.Now
	TLS       *tls.Config      // nil: the system's roots
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = DefaultMaxAnswer
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A Request is one request to send.
type Request struct {
	Operation string // low-cardinality name for spans and errors, e.g. "tcn start"
	Method    string // "" is POST
	URL       string
	Header    http.Header // credentials and content type; idempotency keys and baggage are taken out
	Body      []byte
	// NotAfter: not a byte is written after it, by Options.Now; zero is no limit.
	NotAfter time.Time
}

// An Answer is what came back, bounded.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Cut    bool // the body was longer than MaxAnswer, the rest was dropped
}

// OK says whether the status is a 2xx.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// A Doer sends a request and returns its answer, whatever the status. An
// answer that broke off has its status set and comes with an error. Errors are
// of package fault: code unreachable, too_late or cancelled when nothing was
// written, no_reply or broken_reply after. Their texts never hold anything of
// the request or the answer.
type Doer interface {
	Do(ctx context.Context, r Request) (Answer, error)
}
