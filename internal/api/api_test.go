package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/natstest"
)

type body struct {
	Call string `json:"call"`
	N    int    `json:"n,omitempty"`
}

func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // "" = fine
		`{"call":"c1","n":2}`: "", `  `: "", ``: "", `null`: "",
		`{"cal":"c1"}`: "did you mean call?", `{"Jane":"c1"}`: "takes call, n", `{"call":"c1"} {}`: "not one JSON value",
		`{"call":`: "not one JSON value", `[]`: "must be an object", `{"call":7}`: "/call must be a string",
	} {
		v, err := api.Decode[body]([]byte(text))
		var e *api.Error
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (!errors.As(err, &e) || e.Code != "400" || !strings.Contains(e.Message, want)):
			t.Errorf("%s: %+v, %v", text, v, err)
		}
	}
	// An unknown field is named where it can be a field, and nothing else is
	// repeated: what was sent may be personal, on either side of the colon.
	for text, secret := range map[string]string{
		`{"+12128675309":1}`: "8675309", `{"2128675309":1}`: "8675309", `{"n8675309":1}`: "8675309", `{"John Doe":1}`: "Doe", `{"Jane":1}`: "Jane", `{"jane_canary":1}`: "canary", `{"calx":1}`: "calx",
		`{"` + strings.Repeat("x", 41) + `":1}`: "xxx", `{"call\" unknown field \"Doe":1}`: "Doe", `{"a@b.example":1}`: "example", `{"Jörg":1}`: "rg",
	} {
		if _, err := api.Decode[body]([]byte(text)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: err = %v", text, err)
		}
	}
	if _, err := api.Decode[body]([]byte(`{"call":"c1","n":"+12128675309"}`)); err == nil || strings.Contains(err.Error(), "8675309") {
		t.Errorf("err = %v", err)
	}
}

func TestCommandsOverNATS(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	answers := map[string]error{
		"bad": api.BadRequest("no good", events.Fault{Pointer: "/call", Code: "missing"}), "none": api.NotFound("no such call"),
		"busy": api.Conflict("not now"), "later": fault.New(fault.Transient, "read", "log_unavailable", errors.New("10.0.0.7 refused")),
		"maybe": fault.New(fault.Uncertain, "append", "append_unknown", nil), "broken": errors.New("the number +12128675309 is odd"),
	}
	svc, err := api.Serve(r.NC, "outdial-test", "1.2.3", "a test", slog.New(slog.NewTextHandler(io.Discard, nil)), []string{"acme", "globex"}, []api.Endpoint{
		{Group: "call", Verb: "get", Does: "gets", Handle: func(_ context.Context, tenant string, raw []byte) (any, error) {
			in, err := api.Decode[body](raw)
			if err != nil {
				return nil, err
			}
			if err := answers[in.Call]; err != nil {
				return nil, err
			}
			return map[string]string{"tenant": tenant, "call": in.Call}, nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = svc.Stop() }()
	ask := func(subject, data string) *nats.Msg {
		t.Helper()
		m, err := r.NC.Request(subject, []byte(data), 10*time.Second)
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		return m
	}
	m := ask("outdial.acme.call.get", `{"call":"c1"}`)
	var got map[string]string
	if err := json.Unmarshal(m.Data, &got); err != nil || got["tenant"] != "acme" || got["call"] != "c1" {
		t.Errorf("%s, %v", m.Data, err)
	}
	for call, code := range map[string]string{"bad": "400", "none": "404", "busy": "409", "later": "503", "maybe": "504", "broken": "500"} {
		m := ask("outdial.acme.call.get", `{"call":"`+call+`"}`)
		all := m.Header.Get("Nats-Service-Error") + string(m.Data)
		if m.Header.Get("Nats-Service-Error-Code") != code || m.Header.Get("Nats-Service-Error") == "" {
			t.Errorf("%s: %v", call, m.Header)
		}
		if strings.Contains(all, "8675309") || strings.Contains(all, "10.0.0.7") {
			t.Errorf("%s shows what nobody vetted: %s", call, all)
		}
		if strings.Contains(string(m.Data), "null") {
			t.Errorf("%s: faults that there are none of: %s", call, m.Data)
		}
		if call == "bad" && !strings.Contains(string(m.Data), `"/call"`) {
			t.Errorf("the faults are not told: %s", m.Data)
		}
	}
	if m := ask("outdial.acme.call.get", `{"cal":1}`); m.Header.Get("Nats-Service-Error-Code") != "400" {
		t.Errorf("%v", m.Header)
	}
	if m := ask("outdial.globex.call.get", `{"call":"c1"}`); !strings.Contains(string(m.Data), `"tenant":"globex"`) {
		t.Errorf("another tenant: %s", m.Data)
	}
	for _, tenant := range []string{"nobody", "a+b", "*"} {
		if m, err := r.NC.Request("outdial."+tenant+".call.get", []byte("{}"), 10*time.Second); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("the tenant %s: %v, %v, want no responders", tenant, m, err)
		}
	}
	info := ask("$SRV.INFO.outdial-test", "")
	if !strings.Contains(string(info.Data), `"does":"gets"`) || !strings.Contains(string(info.Data), "outdial.acme.call.get") {
		t.Errorf("%s", info.Data)
	}
	if _, err := api.Serve(r.NC, "bad name", "1.2.3", "", nil, nil, nil); err == nil {
		t.Error("a service without a proper name was served")
	}
}
