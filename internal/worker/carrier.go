package worker

import (
	"strings"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"
)

// Carrier carries trace context in a NATS message's header. It reads the plain
// header of the hop first and the CloudEvents attribute of the same name, which
// tells where the event began, after it.
type Carrier nats.Header

var _ propagation.TextMapCarrier = Carrier(nil)

// Get implements propagation.TextMapCarrier. NATS headers know upper from
// lower case and publishers do not agree, so any case is found.
func (c Carrier) Get(key string) string {
	for _, want := range []string{key, "ce-" + key} {
		if v := nats.Header(c).Get(want); v != "" {
			return v
		}
		for k, v := range c {
			if strings.EqualFold(k, want) && len(v) > 0 {
				return v[0]
			}
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (c Carrier) Set(key, value string) { nats.Header(c).Set(key, value) }

// Keys implements propagation.TextMapCarrier.
func (c Carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}
