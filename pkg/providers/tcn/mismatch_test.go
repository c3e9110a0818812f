package tcn_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// The scrub is a queue at TCN: it can hand out what somebody else left behind.
// A verdict about another number, agent or time is no verdict about this call.
func TestAScrubAboutSomethingElse(t *testing.T) {
	t.Parallel()
	for story, change := range map[string][2]string{
		"another number":        {`"phoneNumber":"4355551234"`, `"phoneNumber":"4355551299"`},
		"another country":       {`"countryCode":"1"`, `"countryCode":"44"`},
		"another agent":         {`"agentSid":"2098765"`, `"agentSid":"2098766"`},
		"another time":          {`"startTime":"1704150360"`, `"startTime":"1704150300"`},
		"another kind of call":  {`"callDataType":"Manual"`, `"callDataType":"Preview"`},
		"without its call id":   {`"callSid"`, `"callSidOfYesterday"`},
		"with a call id of 0":   {`"callSid":"`, `"callSid":"0","was":"`},
		"without a task group":  {`"taskGroupSid"`, `"taskGroup"`},
		"without anything else": {`"scrubbedCall"`, `"call"`},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{}, nil)
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				rec := httptest.NewRecorder()
				r.tcn.ServeHTTP(rec, q)
				body := rec.Body.String()
				if q.URL.Path == tcn.DefaultPaths()[tcn.OpScrub] {
					if !strings.Contains(body, change[0]) {
						t.Errorf("the answer has no %s", change[0])
					}
					body = strings.Replace(body, change[0], change[1], 1)
				}
				w.WriteHeader(rec.Code)
				_, _ = w.Write([]byte(body))
			}))
			defer front.Close()
			c := tcn.New(tcn.Config{BaseURL: front.URL + "/", MetadataAliases: aliased(), PollEvery: 4 * time.Millisecond}, nil)
			defer c.Close()
			scrub, touched, err := c.Prepare(r.within(5*time.Second), order())
			if fault.Of(err) != fault.Permanent || !strings.HasPrefix(fault.Code(err), "scrub_") || !touched {
				t.Errorf("scrub ok %v, touched %v, %v", scrub.OK, touched, err)
			}
			if err != nil && strings.Contains(err.Error(), "43555512") {
				t.Errorf("the error quotes the number: %v", err)
			}
		})
	}
}

// The agent is taken, or the session changes, while the preparation is awaited.
func TestWhatHappensWhileWaitingForPrepared(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		change map[string]any
		code   string
	}{
		"somebody calls the agent": {map[string]any{"inbound": true}, "agent_not_ready"},
		"the agent signs out":      {map[string]any{"status": "DESTROYED"}, "agent_not_ready"},
		"the session is lost":      {map[string]any{"keepAlive": false}, "session_lost"},
		"prepared in another session": {
			map[string]any{"currentSessionId": "7", "status": "MANUAL_DIAL_PREPARED"}, "session_mismatch"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			// The preparation takes for ever.
			r := newRig(t, tcnsim.Options{Pace: tcnsim.Pace{Prepare: time.Hour, Talk: time.Hour}}, nil)
			done := make(chan error, 1)
			go func() {
				_, touched, err := r.Prepare(r.within(5*time.Second), order())
				if !touched {
					t.Error("it says that TCN was not touched")
				}
				done <- err
			}()
			r.await("the preparation", func() bool { return r.sim.Ledger().Count(sim.Prepare, "") == 1 })
			r.set(tc.change)
			wantFault(t, <-done, fault.Transient, tc.code)
			r.wantAsked(tcn.OpScrub, 0)
		})
	}
}
