package providertest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// Agrees says where a product's capabilities and the parts of its provider differ:
// services look at the part, people at the word. Nil: nowhere.
func Agrees(of providers.Product, p providers.Provider) error {
	can := of.Can
	for says, is := range map[string][2]bool{
		"starts":                  {true, p.Starter != nil},
		"reads":                   {true, p.Reader != nil},
		"prepares":                {can.Prepares, p.Preparer != nil},
		"looks once more":         {can.Prepares && p.Confirmer != nil, p.Confirmer != nil},
		"looks up":                {can.LooksUp, p.Looker != nil},
		"polls":                   {can.Presence == providers.PresencePolled, p.Poller != nil},
		"withdraws what it holds": {can.Prepares || can.Withdraw, p.Withdrawer != nil},
		"tells by a feed":         {can.Progress == providers.ProgressFeed, p.Feeder != nil},
		"takes posts apart":       {can.Posts() && p.Hook != nil, p.Hook != nil},
		"is at desktops":          {can.AtDesktop(), of.Desktops != nil},
		"claims or queues":        {true, can.Claims || can.Queues},
		"knows its agents":        {can.Claims, can.Presence != ""},
		"says how calls go":       {true, can.Progress != ""},
		"leaves agents alone":     {can.AwaySeconds > 0 && can.Presence.Unsaid(), can.AwaySeconds > 0},
		"takes several numbers":   {can.Alternates && p.Preparer == nil, can.Alternates},
	} {
		if is[0] != is[1] {
			return wrong("says that it %s: %t, and is so: %t", says, is[0], is[1])
		}
	}
	return nil
}

func (d Dialect) agrees(context.Context) error {
	p, err := d.provider("http://127.0.0.1:1", nil)
	if err != nil {
		return err
	}
	needs := p.Looker != nil || p.Withdrawer != nil || p.Feeder != nil
	switch {
	case needs && d.Company == nil:
		return wrong("no company of its simulator is given: it looks up, takes back or keeps a feed (Company)")
	case d.Product.Can.Alternates != (d.Sent != nil):
		return wrong("says that it takes several numbers: %t, and what was sent can be read: %t", d.Product.Can.Alternates, d.Sent != nil)
	}
	return Agrees(d.Product, p)
}

// A desk counts what a provider sends to a desktop.
type desk struct {
	sent atomic.Int32
	err  error
}

func (k *desk) Send(context.Context, providers.AgentRef, []byte, string, time.Time) error {
	k.sent.Add(1)
	return k.err
}

// atDesktop: what the way to the desktop said of a start is said of it.
func (d Dialect) atDesktop() []Question {
	var qs []Question
	for story, said := range map[string]error{
		"a desktop takes it":                    nil,
		"nobody listens for it":                 fault.New(fault.Transient, "send", "no_responders", providers.ErrNoResponders),
		"there is no desktop":                   fault.New(fault.Transient, "send", "no_desktop", nil),
		"the desktop does not answer":           fault.New(fault.Uncertain, "send", "no_reply", nil),
		"the desktop refuses what it cannot do": fault.New(fault.Permanent, "send", "refused", nil),
	} {
		qs = append(qs, Question{story, func(ctx context.Context) error {
			k := &desk{err: said}
			p, err := d.provider("", k)
			if err != nil {
				return err
			}
			o := d.Order()
			o.NotAfter = time.Now().Add(time.Minute)
			_, err = p.Starter.Start(ctx, o)
			switch {
			case k.sent.Load() != 1:
				return wrong("%d messages were sent, want 1", k.sent.Load())
			case said == nil && err == nil:
				return nil
			case said == nil:
				return wrong("a yes became %v", err)
			case err == nil:
				return wrong("it took it for a yes")
			case errors.Is(said, providers.ErrNoResponders) != errors.Is(err, providers.ErrNoResponders):
				return wrong("that nobody listened is not said on")
			}
			return d.typed(err, fault.Of(said))
		}})
	}
	return qs
}
