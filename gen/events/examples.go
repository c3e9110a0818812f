package gen

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/outdial/outdial/pkg/events"
)

// examplesOf encodes every sample with the real encoder.
func examplesOf(entries []Entry) ([]Example, error) {
	var out []Example
	for i, e := range entries {
		if e.Sample == nil {
			return nil, fmt.Errorf("%s has no sample", e.Type)
		}
		x, err := exampleOf(e, i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Type, err)
		}
		out = append(out, x)
	}
	return out, nil
}

func exampleOf(e Entry, place int) (Example, error) {
	id := fmt.Sprintf("evt-%d", place)
	when := at(0).Add(time.Duration(place) * time.Second)
	for _, s := range append(events.CallSpecs(), events.AgentSpecs()...) {
		if s.Type() != e.Type || string(s.Role) != e.Role {
			continue
		}
		r := events.Record{
			Family: s.Family, Tenant: sampleTenant, Key: sampleCall(), Role: s.Role, Name: s.Name, ID: id,
			Time: when, Cause: fmt.Sprintf("evt-%d", place-1), Place: place, TraceParent: sampleTrace, Body: e.Sample,
		}
		if s.Family == events.AgentFamily {
			r.Key, r.Place = sampleAgent, 0
		}
		h, data, err := events.EncodeRecord(r)
		return Example{e.Type, r.Subject(), h, data}, err
	}
	source := events.SourceOf(sampleTenant, events.Role(e.Role))
	if e.Type == events.TypeDialRequested {
		id, source = "order-4711", "/crm"
	}
	h, data, err := events.EncodePlain(e.Type, source, "", id, when, e.Sample)
	return Example{e.Type, sampleSubject(e.Type), h, data}, err
}

func sampleSubject(typ string) string {
	switch typ {
	case events.TypeDialRequested:
		return events.RequestSubject(sampleTenant)
	case events.TypeProviderRaw:
		return events.ProviderSubject(sampleTenant, sampleConn)
	case events.TypeFact:
		return events.FactSubject(sampleTenant, "dnc", sampleKey().NumberToken(sampleTo))
	case events.TypeControl:
		return events.ControlSubject(events.AnyTenant, "clock", "offset")
	case events.TypeOps:
		return events.OpsSubject(sampleTenant, sampleOps().Event)
	}
	return events.RejectedSubject(sampleTenant, sampleRejected().Stage)
}

// A Fixture is a message as it stands on NATS, and the event it is: what one
// implementation wrote and another must read.
type Fixture struct {
	Name    string            `json:"name"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Event   map[string]any    `json:"event"` // attributes by name, and data
}

// fixturesOf turns the examples into what test/interop lets the CloudEvents
// SDK for JavaScript read: all of them in binary mode, and those outside the
// logs in structured mode too.
func fixturesOf(examples []Example) ([]Fixture, error) {
	var out []Fixture
	for _, x := range examples {
		e, err := events.Decode(x.Headers, x.Data)
		if err != nil {
			return nil, err
		}
		out = append(out, fixture("binary "+x.Type, x.Headers, x.Data, e))
		if _, _, _, _, _, inLog := events.ParseLogSubject(x.Subject); inLog {
			continue
		}
		h, data, err := events.EncodeStructured(e)
		if err != nil {
			return nil, err
		}
		out = append(out, fixture("structured "+x.Type, h, data, e))
	}
	return out, nil
}

func fixture(name string, h events.Header, data []byte, e event.Event) Fixture {
	want := map[string]any{
		"specversion": e.SpecVersion(), "id": e.ID(), "source": e.Source(), "type": e.Type(),
		"time": e.Time().Format(time.RFC3339Nano), "data": json.RawMessage(e.Data()),
	}
	if e.Subject() != "" {
		want["subject"] = e.Subject()
	}
	for k, v := range e.Extensions() {
		want[k] = v
	}
	return Fixture{name, flatHeaders(h), string(data), want}
}

// flatHeaders is how a header reads in the documents.
func flatHeaders(h events.Header) map[string]string {
	out := map[string]string{}
	for k, v := range h {
		out[k] = strings.Join(v, ", ")
	}
	return out
}
