package events

import (
	"fmt"
	"testing"
	"time"
)

// The instant at which a provider is to call is named in a request for a queue of a
// provider that is told when, and lies between the times that the request allows.
func TestTheInstantToCall(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) string { return fmt.Sprintf("%q", noon.Add(d).Format(time.RFC3339)) }
	const queue = `"queue":"7","connection":"ujet"`
	for story, tc := range map[string]struct{ target, value, more, fault string }{
		"soon":                             {queue, at(5 * time.Minute), "", ""},
		"later than the default expiry":    {queue, at(5 * time.Hour), "", ""},
		"between the two":                  {queue, at(5 * time.Minute), `,"notBefore":` + at(time.Minute) + `,"expiresAt":` + at(6*time.Minute), ""},
		"now":                              {queue, at(0), "", FaultBadSchedule},
		"in the past":                      {queue, at(-time.Hour), "", FaultBadSchedule},
		"at the expiry":                    {queue, at(5 * time.Minute), `,"expiresAt":` + at(5*time.Minute), FaultBadSchedule},
		"before notBefore":                 {queue, at(5 * time.Minute), `,"notBefore":` + at(6*time.Minute), FaultBadSchedule},
		"when its log has aged out":        {queue, at(71 * time.Hour), "", FaultBadSchedule},
		"no text":                          {queue, "7", "", FaultBadTime},
		"no instant":                       {queue, `"tomorrow"`, "", FaultBadTime},
		"without a zone":                   {queue, `"2026-11-20T13:00:00"`, "", FaultBadTime},
		"of an agent":                      {`"agent":"2098765","connection":"ujet"`, at(30 * time.Second), "", FaultScheduleUnsupported},
		"of a provider that is not told":   {`"queue":"7","connection":"tcn-main"`, at(5 * time.Minute), "", FaultScheduleUnsupported},
		"of one that is not told, by none": {`"queue":"7"`, at(5 * time.Minute), "", FaultScheduleUnsupported},
	} {
		c := testContext()
		c.Takes = func(name string) Takes { return Takes{Agents: true, Queues: true, Schedules: name == "ujet"} }
		in, faults, _ := read(requestHeader(), `{"to":"+12025550123",`+tc.target+tc.more+`,"options":{"scheduledAt":`+tc.value+`}}`, c)
		found := map[string]bool{}
		for _, f := range faults {
			if f.Pointer == "/options/scheduledAt" {
				found[f.Code] = true
			}
		}
		if tc.fault == "" && len(faults) > 0 || tc.fault != "" && (!found[tc.fault] || len(found) != 1) {
			t.Errorf("%s: %v, want %q", story, faults, tc.fault)
		}
		if call, asked := in.Request.ScheduledAt(); tc.fault == "" && (!asked || !in.ExpiresAt.After(call)) {
			t.Errorf("%s: it calls at %v and expires at %v", story, call, in.ExpiresAt)
		}
	}
}
