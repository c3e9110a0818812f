package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/outdial/outdial/cmd/outdial/internal/ops"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
)

// askFlag says whom to ask. Without a configuration it is a server on this
// machine.
type askFlag struct {
	fileFlag
	Server string `short:"s" placeholder:"URL" help:"NATS server; default: the configuration's, else nats://127.0.0.1:4222."`
	Tenant string `short:"t" default:"acme" env:"OUTDIAL_TENANT" help:"Whose calls."`
	JSON   bool   `help:"Print the answer as it came."`
}

// ask has a client for as long as it is asked something.
func (f askFlag) ask(e *env, something func(*ops.Client) error) error {
	o := ops.ClientOptions{Server: f.Server, Tenant: f.Tenant, JSON: f.JSON, Out: e.out}
	if f.Config != "" && f.Server == "" {
		cfg, err := f.load(e, true)
		if err != nil {
			return err
		}
		o.Config = cfg
	} else if err := config.Unread(e.environ, kinds.All()); err != nil {
		return err
	}
	client, err := ops.Dial(e.ctx, o)
	if err != nil {
		return err
	}
	defer client.Close()
	return something(client)
}

type callCmd struct {
	Get     callGetCmd     `cmd:"" help:"State and timeline of a call."`
	Explain callExplainCmd `cmd:"" help:"Rule by rule why a call passed or failed."`
	Find    callFindCmd    `cmd:"" help:"The calls that match, newest first; without a flag all."`
}

// callRef names a call.
type callRef struct {
	Call   string `arg:"" optional:"" help:"Id of the call."`
	Source string `help:"Source of the request's CloudEvent."`
	ID     string `name:"id" help:"Id of the request's CloudEvent."`
}

func (r callRef) body() map[string]any {
	if r.Call != "" {
		return map[string]any{"call": r.Call}
	}
	return map[string]any{"source": r.Source, "id": r.ID}
}

type callGetCmd struct {
	askFlag
	callRef
}

func (c *callGetCmd) Run(e *env) error {
	return c.ask(e, func(client *ops.Client) error { return client.CallGet(e.ctx, c.body()) })
}

type callExplainCmd struct {
	askFlag
	callRef
}

func (c *callExplainCmd) Run(e *env) error {
	return c.ask(e, func(client *ops.Client) error { return client.CallExplain(e.ctx, c.body()) })
}

type callFindCmd struct {
	askFlag
	To        string     `help:"Telephone number, E.164."`
	Reference string     `help:"Business reference."`
	Contact   string     `help:"Opaque person id."`
	Campaign  string     `help:"Campaign."`
	Agent     string     `help:"Agent."`
	From      *time.Time `placeholder:"RFC3339" help:"Requested not before."`
	Until     *time.Time `placeholder:"RFC3339" help:"Requested before."`
	Before    uint64     `placeholder:"NEXT" help:"Go on where an answer ended: its next."`
}

func (c *callFindCmd) Run(e *env) error {
	body := map[string]any{}
	for k, v := range map[string]string{"to": c.To, "reference": c.Reference, "contact": c.Contact, "campaign": c.Campaign, "agent": c.Agent} {
		if v != "" {
			body[k] = v
		}
	}
	if c.Before > 0 {
		body["before"] = c.Before
	}
	if c.From != nil {
		body["from"] = c.From
	}
	if c.Until != nil {
		body["until"] = c.Until
	}
	return c.ask(e, func(client *ops.Client) error { return client.CallFind(e.ctx, body) })
}

type complianceCmd struct {
	Check complianceCheckCmd `cmd:"" help:"The decision that a request would get."`
}

type complianceCheckCmd struct {
	askFlag
	Request string     `arg:"" help:"The request's JSON, or @FILE."`
	At      *time.Time `placeholder:"RFC3339" help:"As if it were then."`
}

func (c *complianceCheckCmd) Run(e *env) error {
	raw := []byte(c.Request)
	if len(raw) > 0 && raw[0] == '@' {
		var err error
		if raw, err = os.ReadFile(c.Request[1:]); err != nil {
			return err
		}
	}
	body := map[string]any{"request": json.RawMessage(raw)}
	if c.At != nil {
		body["at"] = c.At
	}
	return c.ask(e, func(client *ops.Client) error { return client.ComplianceCheck(e.ctx, body) })
}

type simCmd struct{ ops.SimOptions }

func (c *simCmd) Run(e *env) error {
	if err := config.Unread(e.environ, kinds.All()); err != nil {
		return err
	}
	c.Out, c.ErrOut = e.out, e.errOut
	return ops.Sim(e.ctx, c.SimOptions)
}
