package webexcc

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/test/exams/bustest"
	"github.com/outdial/outdial/test/exams/providertest"
)

func order() providers.Order {
	return providers.Order{
		To: customer, Attempt: "attempt1", NotAfter: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Agent: providers.AgentRef{Tenant: "acme", Connection: "webex-desk", Agent: "agent4", Session: "s1"},
	}
}

func TestTheExamOfEveryProvider(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Dialect{
		Product: Product(), News: [][]byte{offer(t)},
		Order:   func() providers.Order { return providers.Order{Call: "c1", Attempt: "a1", To: customer} },
		Secrets: []string{customer[2:]},
	})
}

func TestARequestIsTheDocumentsMessage(t *testing.T) { // WXC-01, WXC-03, WXC-04, WXC-05
	t.Parallel()
	d := &bustest.Desk{}
	p := System().Provider(bus.Config{Desktop: d})
	receipt, err := p.Starter.Start(t.Context(), order())
	if err != nil || receipt.Pending {
		t.Fatalf("start: %+v, %v", receipt, err)
	}
	var want, got any
	if err := json.Unmarshal(bustest.Fixture(t, "001-webexcc-make-call.request.json"), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(d.Message, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if !bytes.Contains(d.Message, []byte(`"subtopic":"MakeCall"`)) {
		t.Errorf("the key is not spelled in lower case: %s", d.Message)
	}
	if d.Attempt != "attempt1" || !d.NotAfter.Equal(order().NotAfter) || d.Agent.Session != "s1" {
		t.Errorf("attempt, deadline or session got lost: %+v", d)
	}
}

func TestWhatTheDesktopAnsweredIsPassedOn(t *testing.T) { // WXC-33: no answer is uncertain, never a failure
	t.Parallel()
	for name, class := range map[string]fault.Class{
		"no desktop is transient": fault.Transient, "silence is uncertain": fault.Uncertain,
		"a refusal is permanent": fault.Permanent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &bustest.Desk{Err: fault.New(class, "send", "x", nil)}
			_, err := System().Provider(bus.Config{Desktop: d}).Starter.Start(t.Context(), order())
			if err == nil || fault.Of(err) != class || d.Sent != 1 {
				t.Errorf("got %v after %d sends, want class %v after one", err, d.Sent, class)
			}
		})
	}
}

func TestWhatCannotBeDialedIsNotSent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*providers.Order)
		code   string
	}{
		"a number without a plus":          {func(o *providers.Order) { o.To = "917702779401" }, "bad_number"},
		"a trunk zero behind the country":  {func(o *providers.Order) { o.To = "+9107702779401" }, "bad_number"},
		"no number at all":                 {func(o *providers.Order) { o.To = "" }, "bad_number"},
		"an old Workspace (WXC-36)":        {func(o *providers.Order) { o.Agent.IDs = map[string]string{"workspaceVersion": "3.20.9999"} }, "unsupported_version"},
		"a Workspace that is not a number": {func(o *providers.Order) { o.Agent.IDs = map[string]string{"workspaceVersion": "latest"} }, "unsupported_version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, o := &bustest.Desk{}, order()
			tc.change(&o)
			_, err := System().Provider(bus.Config{Desktop: d}).Starter.Start(t.Context(), o)
			if fault.Of(err) != fault.Permanent || fault.Code(err) != tc.code || d.Sent != 0 {
				t.Errorf("got %v after %d sends, want permanent %s after none", err, d.Sent, tc.code)
			}
		})
	}
}

func TestWhatWebexCannotDo(t *testing.T) {
	t.Parallel()
	p := System().Provider(bus.Config{Desktop: &bustest.Desk{}})
	want := providers.Capabilities{Claims: true, Presence: providers.PresenceDesktop, Progress: providers.ProgressDesktop}
	if p.Kind != providers.WebexCC || p.Can != want || p.Preparer != nil || p.Poller != nil || p.Looker != nil || p.Withdrawer != nil {
		t.Errorf("capabilities: %+v", p)
	}
}
