package providertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// ofReader are the questions of what understands the provider.
func (d Dialect) ofReader() []Question {
	return []Question{
		{"its messages are read", func(context.Context) error { return d.reader(d.reads) }},
		{"it says whose its news is", func(context.Context) error { return d.reader(d.names) }},
		{"what it tells is nobody's secret", func(context.Context) error { return d.reader(d.discreet) }},
		{"odd messages are refused, and nothing worse", func(context.Context) error { return d.reader(d.bears) }},
		{"what it posts comes apart", func(context.Context) error { return d.reader(d.splits) }},
	}
}

func (d Dialect) reader(ask func(providers.Provider) error) error {
	p, err := d.provider("http://127.0.0.1:1", nil)
	switch {
	case err != nil:
		return err
	case p.Reader == nil:
		return wrong("it has no Reader")
	case len(d.News) == 0:
		return wrong("none of its messages are given (News)")
	}
	return ask(p)
}

// message is a body as the bridge brings it, about the order's call.
func (d Dialect) message(body []byte) (events.ProviderRaw, providers.View) {
	raw := events.ProviderRaw{Via: "webhook", Body: body}
	switch d.Product.Can.Presence {
	case providers.PresencePolled:
		raw.Via, raw.Status = "poll", 200
	case providers.PresenceDesktop:
		raw.Via = "desktop"
	}
	return raw, providers.View{To: d.Order().To, Dialed: true, CallState: events.Started, HomeRegion: "US"}
}

// Reads asks a Reader of one message, whatever it holds: it says the same twice and
// leaves the message as it was, what it cannot read is Permanent, and what it tells
// are the bridge's events. It returns what is wrong, or nil; for fuzz targets, too.
func Reads(r providers.Reader, raw events.ProviderRaw, v providers.View) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = wrong("it panics (%T)", p)
		}
	}()
	before := bytes.Clone(raw.Body)
	seen, said := r.Read(raw, v)
	again, other := r.Read(raw, v)
	switch {
	case !bytes.Equal(before, raw.Body):
		return wrong("the message is another after it was read")
	case !reflect.DeepEqual(seen, again), fmt.Sprint(said) != fmt.Sprint(other):
		return wrong("it says something else the second time")
	case said != nil && (fault.Of(said) != fault.Permanent || !isFault(said)):
		return wrong("a message that cannot be read is %v, want permanent", said)
	}
	for _, o := range seen {
		_, ofCall := events.Lookup(events.CallFamily, events.Bridge, o.Call)
		_, ofAgent := events.Lookup(events.AgentFamily, events.Bridge, o.Presence)
		switch _, unwritten := json.Marshal(o); {
		case o.Call != "" && !ofCall, o.Presence != "" && !ofAgent:
			return wrong("it tells %q of a call, %q of an agent: no event of the bridge's", o.Call, o.Presence)
		case o.Customer != "" && !events.IsE164(o.Customer):
			return wrong("the customer is none in E.164")
		case unwritten != nil:
			return wrong("what it tells cannot be written")
		}
	}
	return nil
}

func isFault(err error) bool {
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}

func (d Dialect) reads(p providers.Provider) error {
	for i, body := range d.News {
		raw, v := d.message(body)
		if err := Reads(p.Reader, raw, v); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if _, err := p.Reader.Read(raw, v); err != nil {
			return wrong("message %d: %v", i, err)
		}
	}
	return nil
}

// names: of all that the messages tell of calls the bridge must be able to say whose
// it is.
func (d Dialect) names(p providers.Provider) error {
	told := 0
	for _, body := range d.News {
		seen, _ := p.Reader.Read(d.message(body))
		for _, o := range seen {
			if o.Call != "" && (o.Manual || o.Sure()) {
				return nil
			}
			if o.Call != "" {
				told++
			}
		}
	}
	return wrong("%d news of calls, and all are nobody's: say the attempt, an id of the call's own, or Manual with the number", told)
}

func (d Dialect) discreet(p providers.Provider) error {
	for i, body := range d.News {
		seen, _ := p.Reader.Read(d.message(body))
		for _, o := range seen {
			if err := d.quotes(fmt.Sprint(o.Event, o.State, o.Reason, o.IDs, o.Attrs)); err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
		}
	}
	return nil
}

// odd are messages that nobody would send, and what becomes of the provider's own
// when they are cut short or a byte of theirs is another.
func (d Dialect) odd() [][]byte {
	all := [][]byte{nil, {0}, {0xff, 0xfe}}
	for _, s := range []string{"null", "[]", "{}", "0", `""`, "[null]", `[{}]`, `{"":1e999}`, "<html>", "[[[[[[[[", `{"id":{}}`} {
		all = append(all, []byte(s))
	}
	lot := rand.New(rand.NewPCG(1, 2))
	for _, body := range append(slices.Clone(d.News), d.Post) {
		for range min(len(body), 200) {
			at := lot.IntN(len(body))
			other := bytes.Clone(body)
			other[at] = byte(lot.IntN(256))
			all = append(all, body[:at], other)
		}
	}
	return all
}

func (d Dialect) bears(p providers.Provider) error {
	for _, body := range d.odd() {
		raw, v := d.message(body)
		if err := Reads(p.Reader, raw, v); err != nil {
			return err
		}
		if _, err := p.Reader.Read(raw, v); err != nil {
			if err := d.quotes(err.Error()); err != nil {
				return err
			}
		}
	}
	return nil
}

// splits: a post of several items is several messages, each as the Reader reads it.
func (d Dialect) splits(p providers.Provider) (err error) {
	if p.Hook == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = wrong("it panics (%T)", p)
		}
	}()
	if d.Items < 2 {
		return wrong("a post of several items is not given (Post, Items)")
	}
	items, err := p.Hook.Split(d.Post)
	again, _ := p.Hook.Split(d.Post)
	switch {
	case err != nil:
		return wrong("its post does not come apart: %v", err)
	case len(items) != d.Items:
		return wrong("%d items of %d", len(items), d.Items)
	case !reflect.DeepEqual(items, again):
		return wrong("it comes apart in another way the second time")
	}
	for i, item := range items {
		raw, v := d.message(item)
		if seen, err := p.Reader.Read(raw, v); err != nil || len(seen) == 0 {
			return wrong("item %d of a post says nothing: %v", i, err)
		}
	}
	for _, body := range d.odd() {
		if _, err := p.Hook.Split(body); err != nil {
			if err := d.typed(err, fault.Permanent); err != nil {
				return err
			}
		}
	}
	return nil
}
