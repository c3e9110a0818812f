package orchestrator

import (
	"errors"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/pkg/events"
)

// Whoever asks hears what will become of the wish, not only that it is on record.
func TestACallThatCannotBeWithdrawnIsSaidToGoOn(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		log         func(w *world, call string)
		first, then string
	}{
		"before it is dialed":              {(*world).clear, `"requested"`, `"already"`},
		"its dial is on its way":           {(*world).dial, `"cancel_failed","reason":"unsupported"`, `"cancel_failed","reason":"unsupported"`},
		"it is up, and its provider can't": {isStarted, `"cancel_failed","reason":"unsupported"`, `"cancel_failed","reason":"unsupported"`},
		"it was refused":                   {isRefused, `"requested"`, `"already"`},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann")
			call := w.ask("1", map[string]any{"agent": "ann"})
			w.work(w.s)
			tc.log(w, call)
			w.tell()
			for _, want := range []string{tc.first, tc.then} {
				if got, err := w.do("call", "cancel", `{"call":"`+call+`"}`); err != nil || !strings.Contains(got, `"status":`+want) {
					t.Errorf("%s, %v; want %s", got, err, want)
				}
			}
			if w.call(call).Cancel == nil {
				t.Error("the wish is not on record")
			}
			if up := w.call(call); up.Dialing == nil || up.State == "refused" {
				return
			}
			w.say(call, events.Dialer, events.CancelFailed, &events.CallCancelFailed{Reason: "answered"})
			if got, _ := w.do("call", "cancel", `{"call":"`+call+`"}`); !strings.Contains(got, `"reason":"answered"`) {
				t.Errorf("after the dialer's word: %s", got)
			}
		})
	}
}

func isStarted(w *world, call string) {
	w.dial(call)
	w.say(call, events.Dialer, events.Started, &events.CallStarted{})
}

func isRefused(w *world, call string) {
	w.dial(call)
	w.say(call, events.Dialer, events.Refused, &events.CallRefused{Code: "busy"})
}

func TestAnAgentWithoutTheTokenThatItsProviderAsksForIsNotEnrolled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, code := range map[string]string{
		`{"agent":"ann","connection":"keyed"}`:                  "400",
		`{"agent":"ann","connection":"keyed","token":""}`:       "400",
		`{"agent":"ann","connection":"keyed","token":"secret"}`: "",
		`{"agent":"bob","connection":"desk"}`:                   "",
	} {
		_, err := w.do("agent", "put", body)
		if e, ok := errors.AsType[*api.Error](err); ok && (e.Code != code || len(e.Faults) != 1 || e.Faults[0].Pointer != "/token") || !ok && code != "" {
			t.Errorf("%s: %v, want %q", body, err, code)
		}
	}
}

// Two agents of ours who are one at the provider would be one person on two
// calls, as in a configuration.
func TestOneAgentOfAProvidersIsEnrolledOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, step := range []struct{ story, verb, body, code string }{
		{"the first", "put", `{"agent":"ann","providerAgent":"2098765","connection":"desk","huntGroups":["sales"]}`, ""},
		{"again", "put", `{"agent":"ann","providerAgent":"2098765","connection":"desk","huntGroups":["sales","care"]}`, ""},
		{"another by the same name", "put", `{"agent":"twin","providerAgent":"2098765","connection":"desk"}`, "409"},
		{"by that name on another connection", "put", `{"agent":"twin","providerAgent":"2098765","connection":"tcn"}`, ""},
		{"the first leaves", "remove", `{"agent":"ann"}`, ""},
		{"and another takes her seat", "put", `{"agent":"bob","providerAgent":"2098765","connection":"desk"}`, ""},
	} {
		_, err := w.do("agent", step.verb, step.body)
		e, refused := errors.AsType[*api.Error](err)
		if refused != (step.code != "") || refused && e.Code != step.code {
			t.Errorf("%s: %v, want %q", step.story, err, step.code)
		}
		w.tell()
	}
}

// Who is held back may be on a call: she keeps her seat, also one who was removed by a
// former version meanwhile. Whoever took it would be the same person, called once more.
func TestWhoIsHeldBackKeepsHerSeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.do("agent", "put", `{"agent":"ann","providerAgent":"2098765","connection":"desk"}`); err != nil {
		t.Fatal(err)
	}
	w.tell()
	a := w.agent("ann")
	held := a.State
	held.Quarantine = &events.AgentClaim{Call: "c1", Since: w.Now()}
	for _, removed := range []bool{false, true} {
		name, body := events.Quarantined, any(&events.AgentQuarantined{State: held})
		if held.Presence = events.Offline; removed {
			held.Presence = events.Removed
			name, body = events.Removed, &events.AgentRemoved{State: held}
		}
		if _, err := w.log.Append(t.Context(), *log.NextOfAgent(w.agent("ann"), events.Orchestrator, name, w.Now(), body)); err != nil {
			t.Fatal(err)
		}
		w.tell()
		if !removed {
			_, err := w.do("agent", "remove", `{"agent":"ann"}`)
			wantCode(t, err, "409")
		}
		_, err := w.do("agent", "put", `{"agent":"twin","providerAgent":"2098765","connection":"desk"}`)
		wantCode(t, err, "409")
	}
}

// An acknowledged request is not taken while the store is in question, so that
// nobody may hear that there is no such call.
func TestACallIsNotDeniedWhileTheStoreIsInQuestion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, verb := range []string{"get", "explain", "cancel"} {
		for held, code := range map[bool]string{true: "503", false: "404"} {
			w.s.Standing = func() marks.Standing { return marks.Standing{Held: held} }
			_, err := w.do("call", verb, `{"source":"/crm","id":"7"}`)
			wantCode(t, err, code)
		}
	}
}
