package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// quiet is a telemetry for commands: nothing is exported.
func quiet(ctx context.Context) (*telemetry.Telemetry, error) {
	return telemetry.Start(ctx, telemetry.Config{Service: "outdial-tool", Version: runtime.Version(), LogTo: io.Discard,
		Level: slog.LevelError, Getenv: func(string) string { return "" }})
}

// connect reaches the server that a configuration names: its url, or where the
// embedded one listens.
func connect(ctx context.Context, cfg *config.Config, name string) (*nats.Conn, runtime.Setup, error) {
	tele, err := quiet(ctx)
	if err != nil {
		return nil, runtime.Setup{}, err
	}
	s := runtime.Setup{Config: cfg, Version: runtime.Version(), Telemetry: tele}
	o := s.Connect(name)
	if o.URL == "" {
		o.URL = "nats://" + cfg.NATS.Listen
	}
	o.Options = append(o.Options, nats.RetryOnFailedConnect(false)) // a person waits
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	nc, err := worker.Connect(ctx, o)
	if err != nil {
		return nil, s, fmt.Errorf("no NATS server at %s: is outdial up? (%w)", config.Private(o.URL), err)
	}
	return nc, s, nil
}

// reach is connect for whoever asks for what is stored there.
func reach(ctx context.Context, cfg *config.Config, name string) (*nats.Conn, jetstream.JetStream, runtime.Setup, error) {
	nc, s, err := connect(ctx, cfg, name)
	if err != nil {
		return nil, nil, s, err
	}
	js, err := jetstream.New(nc)
	return nc, js, s, err
}

// ClientOptions say whom to ask and how to print.
type ClientOptions struct {
	Config *config.Config // nil: Server
	Server string
	Tenant string
	JSON   bool
	Out    io.Writer
}

// A Client asks the services' commands and queries over NATS.
type Client struct {
	ClientOptions
	nc *nats.Conn
}

// Dial connects.
func Dial(ctx context.Context, o ClientOptions) (*Client, error) {
	if !events.IsToken(o.Tenant) {
		return nil, errors.New("--tenant must be a name of [A-Za-z0-9_-]")
	}
	if o.Config != nil {
		nc, _, err := connect(ctx, o.Config, "outdial-tool")
		return &Client{o, nc}, err
	}
	if o.Server == "" {
		o.Server = "nats://127.0.0.1:4222"
	}
	nc, err := nats.Connect(o.Server, nats.Name("outdial-tool"), nats.Timeout(3*time.Second))
	if err != nil {
		return nil, fmt.Errorf("no NATS server at %s: is outdial up? (%w)", config.Private(o.Server), err)
	}
	return &Client{o, nc}, nil
}

// Close disconnects.
func (c *Client) Close() { c.nc.Close() }

// ask sends one command and decodes its answer.
func (c *Client) ask(ctx context.Context, group, verb string, body any) ([]byte, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 12*time.Second)
	defer cancel()
	m, err := c.nc.RequestWithContext(ctx, events.ServiceSubject(c.Tenant, group, verb), raw)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("nobody answers %s.%s: are the services up, and is %q a tenant?", group, verb, c.Tenant)
	}
	if err != nil {
		return nil, err
	}
	if code := m.Header.Get("Nats-Service-Error-Code"); code != "" {
		return nil, fmt.Errorf("%s.%s: %s (%s)", group, verb, m.Header.Get("Nats-Service-Error"), code)
	}
	return m.Data, nil
}

// show asks, and prints the answer as it came or by print.
func show[T any](c *Client, ctx context.Context, group, verb string, body any, print func(T)) error {
	_, err := judged(c, ctx, group, verb, body, print)
	return err
}

// judged is show for whoever looks at the answer, too.
func judged[T any](c *Client, ctx context.Context, group, verb string, body any, print func(T)) (v T, err error) {
	raw, err := c.ask(ctx, group, verb, body)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, err
	}
	if c.JSON {
		_, err := fmt.Fprintln(c.Out, string(raw))
		return v, err
	}
	print(v)
	return v, nil
}
