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

func (f askFlag) client(e *env) (*ops.Client, error) {
	o := ops.ClientOptions{Server: f.Server, Tenant: f.Tenant, JSON: f.JSON, Out: e.out}
	if f.Config != "" && f.Server == "" {
		cfg, err := f.load(e, true)
		if err != nil {
			return nil, err
		}
		o.Config = cfg
	} else if err := config.Unread(e.environ, kinds.All()); err != nil {
		return nil, err
	}
	return ops.Dial(e.ctx, o)
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
	client, err := c.client(e)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.CallGet(e.ctx, c.body())
}

type callExplainCmd struct {
	askFlag
	callRef
}

func (c *callExplainCmd) Run(e *env) error {
	client, err := c.client(e)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.CallExplain(e.ctx, c.body())
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
	client, err := c.client(e)
	if err != nil {
		return err
	}
	defer client.Close()
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
	return client.CallFind(e.ctx, body)
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
	client, err := c.client(e)
	if err != nil {
		return err
	}
	defer client.Close()
	body := map[string]any{"request": json.RawMessage(raw)}
	if c.At != nil {
		body["at"] = c.At
	}
	return client.ComplianceCheck(e.ctx, body)
}

type simCmd struct {
	Listen   string        `default:"127.0.0.1:9101" help:"Address of the simulated TCN, and of the management at /sim/."`
	Ledger   string        `placeholder:"FILE" help:"Where the simulator writes down what it dialed; default: memory."`
	Agents   int           `default:"4" help:"TCN agents: 2098765 and up, tokens token-<sid>."`
	Desktops []string      `placeholder:"KIND:CONNECTION/AGENT" help:"Simulated desktops, e.g. webexcc:webex-desk/agent4."`
	Bridge   string        `default:"http://127.0.0.1:8080" help:"Where the desktops connect to."`
	Token    string        `env:"OUTDIAL_SIM_TOKEN" help:"The desktops' bearer token."`
	Pace     time.Duration `default:"1s" help:"One step of a call."`
	Seed     uint64        `help:"Ids are made from it; 0: other ids at each run, so that one ledger may serve several."`
}

func (c *simCmd) Run(e *env) error {
	if err := config.Unread(e.environ, kinds.All()); err != nil {
		return err
	}
	return ops.Sim(e.ctx, ops.SimOptions{Listen: c.Listen, Ledger: c.Ledger, Agents: c.Agents, Desktops: c.Desktops,
		Bridge: c.Bridge, Token: c.Token, Pace: c.Pace, Seed: c.Seed, Out: e.out, ErrOut: e.errOut})
}
