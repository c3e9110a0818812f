package webexcc

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/bustest"
	"github.com/outdial/outdial/test/exams/providertest"
)

// A said is an event and its moment by the provider's clock, in milliseconds.
type said struct {
	event string
	at    int64
}

// sent are the messages of a page that was cut off and says everything later.
func sent(t testing.TB, both bool, news ...said) (bodies [][]byte) {
	for _, n := range news {
		bodies = append(bodies, message(t, event(n.event), func(m object) {
			bustest.At(m, "message", "call", "ResponseActual", "data")["eventTime"] = 1718965916252 + n.at
			if both {
				joined("Customer", "Agent")(m)
			}
		}))
	}
	return bodies
}

// The times are the provider's, however late and however close together a page
// tells them.
func TestTimesAreTheProviders(t *testing.T) {
	t.Parallel()
	talks := []said{{"AgentOfferContact", 0}, {"AgentContactAssigned", 3000}}
	for story, tc := range map[string]struct {
		news []said
		want string // queue is ours alone
	}{
		"everything at once after a reconnect": {append(talks, said{"AgentContactEnded", 163_000}, said{"AgentWrapup", 163_100}, said{"AgentWrappedUp", 171_000}),
			`"ring":null,"talk":160000,"hold":null,"wrap":7900`},
		"on hold through a consultation": {[]said{{"AgentContactAssigned", 0}, {"AgentContactHeld", 1000}, {"AgentContactUnheld", 2000}, {"AgentContactHeld", 3000},
			{"AgentConsultCreated", 3500}, {"AgentConsulting", 3600}, {"AgentConsultEnded", 5600}, {"AgentContactUnheld", 6100}, {"AgentContactEnded", 7100}},
			`"ring":null,"talk":7100,"hold":4100,"wrap":null`},
		"on hold until a conference": {[]said{{"AgentContactAssigned", 0}, {"AgentContactHeld", 1000}, {"AgentConsultCreated", 1500}, {"AgentConsultConferenced", 4000}, {"AgentContactEnded", 7000}},
			`"ring":null,"talk":7000,"hold":3000,"wrap":null`},
		"rings":     {[]said{{"Ringing", 0}, {"CustAnswered", 4000}, {"AgentContactEnded", 9000}}, `"ring":4000,"talk":5000,"hold":null,"wrap":null`},
		"a machine": {[]said{{"AgentOfferContact", 0}, {"machine", 4000}, {"AgentContactEnded", 9000}}, `"ring":null,"talk":null,"hold":null,"wrap":null`},
		"only the end shows that they talked": {[]said{{"AgentOfferContact", 0}, {"AgentContactEnded", 9000}, {"AgentWrapup", 9000}, {"AgentWrappedUp", 9500}},
			`"ring":null,"talk":null,"hold":null,"wrap":500`},
		"handed on": {append(talks, said{"AgentBlindTransferred", 63_000}, said{"AgentWrapup", 63_100}, said{"AgentWrappedUp", 64_100}),
			`"ring":null,"talk":60000,"hold":null,"wrap":1000`},
	} {
		_, c := providertest.Replay(t, reader(), view(), sent(t, story != "a machine", tc.news...)...)
		got, err := json.Marshal(c.Durations(time.Time{}))
		if err != nil || string(got) != `{"queue":0,`+tc.want+`}` {
			t.Errorf("%s: %s, want %s (%v)", story, got, tc.want, err)
		}
	}
}

// A machine is a reason and no conversation, also when the agent's telephone
// was connected to it.
func TestAMachineIsAnEndReason(t *testing.T) {
	t.Parallel()
	for _, both := range []bool{false, true} {
		_, c := providertest.Replay(t, reader(), view(), sent(t, both, said{"CustAnswered", 0}, said{"Machine", 2000}, said{"AgentContactEnded", 9000})...)
		if c.Talked || c.EndReason != events.EndMachine || c.CustomerUp() {
			t.Errorf("connected %s: talked %t, ended %q", strconv.FormatBool(both), c.Talked, c.EndReason)
		}
	}
}

// Whom the agent hands on stays on our line until the provider says that it is
// over, however the agent's own part ends.
func TestAHandedOnCustomerIsOnOurLine(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"eAgentBlindTransferred", "AgentBlindTransferred", "AgentVteamTransferred", "AgentConsultTransferred", "AgentConferenceTransferred"} {
		news := sent(t, true, said{"AgentContactAssigned", 0}, said{how, 5000}, said{"AgentWrapup", 5100}, said{"AgentWrappedUp", 6000}, said{"ContactEnded", 90_000})
		_, c := providertest.Replay(t, reader(), view(), news[:4]...)
		if !c.Talked || !c.Transferred || !c.CustomerUp() {
			t.Errorf("%s: talked %t, transferred %t, up %t", how, c.Talked, c.Transferred, c.CustomerUp())
		}
		if _, c = providertest.Replay(t, reader(), view(), news...); !c.Transferred || c.CustomerUp() {
			t.Errorf("%s, and it is over: transferred %t, up %t", how, c.Transferred, c.CustomerUp())
		}
	}
}
