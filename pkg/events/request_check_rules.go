package events

import (
	"slices"
	"strconv"
	"time"
)

// target checks that exactly one of agent, huntGroup and queue is named. The
// second one is the fault's place, in the order of the request's fields.
func (r *requestReader) target(n node) {
	var named []string
	for _, name := range []string{"agent", "huntGroup", "queue"} {
		if n.has(name) {
			named = append(named, name)
		}
	}
	switch {
	case len(named) == 0:
		r.add("", FaultNoTarget)
	case len(named) > 1:
		r.add("/"+named[1], FaultTwoTargets)
	}
}

// places resolves the names of things the tenant must have.
func (r *requestReader) places(in *Intake) {
	q, c := &r.req, r.ctx
	for i, n := range q.Alternates {
		if n != "" && (n == q.To || slices.Contains(q.Alternates[:i], n)) {
			r.add("/alternates/"+strconv.Itoa(i), FaultSameNumber)
		}
	}
	in.From, in.Connection = c.DefaultFrom, c.DefaultConnection
	if q.From != "" {
		in.From = q.From
		if !slices.Contains(c.CallerIDs, q.From) {
			r.add("/from", FaultForeignCallerID)
		}
	}
	if q.HuntGroup != "" && c.HuntGroups != nil && !c.HuntGroups(q.HuntGroup) {
		r.add("/huntGroup", FaultUnknownHuntGroup)
	}
	connected := true
	if q.Connection != "" {
		in.Connection = q.Connection
		if c.Connection != nil {
			if _, connected = c.Connection(q.Connection); !connected {
				r.add("/connection", FaultUnknownConnection)
			}
		}
	}
	if connected {
		r.takes(in.Connection)
	}
	if q.Ruleset != "" && c.Ruleset != nil && !c.Ruleset(q.Ruleset) {
		r.add("/ruleset", FaultUnknownRuleset)
	}
}

// takes checks what the request asks of its connection. An agent's call is made on
// her own unless it names one; which agent of a hunt group's takes it is not known
// yet, and only those do whose connection can.
func (r *requestReader) takes(connection string) {
	q := &r.req
	takes := func(string) Takes { return Takes{true, true, true, true} }
	if r.ctx.Takes != nil {
		takes = r.ctx.Takes
	}
	is := takes(connection)
	if q.Queue != "" && !is.Queues {
		r.add("/queue", FaultQueueUnsupported)
	}
	if _, asked := q.ScheduledAt(); asked && (q.Queue == "" || !is.Schedules) {
		r.add("/options/"+optionScheduledAt, FaultScheduleUnsupported)
	}
	switch {
	case q.Queue != "":
	case q.Connection != "" && !is.Agents:
		r.add("/connection", FaultAgentsUnsupported)
	case q.Connection == "" && r.seat != "":
		is = takes(r.seat)
	case q.Connection == "":
		return
	}
	if q.Recording != nil && !is.Records {
		r.add("/recording", FaultRecordingUnsupported)
	}
}

// times works out when the call may begin and when it is over. notBefore,
// expiresAt and expirytime are instants of outdial's clock and stay as they
// are; the event's time has been shifted already.
func (r *requestReader) times(in *Intake) {
	q, now := &r.req, r.ctx.Now
	// Identity and open calls live in CALLS, so every call must close before
	// they age out; a day is kept in hand. A CALLS that keeps less than a day
	// is a test's, and half its age must do.
	horizon := r.ctx.CallsAge - 24*time.Hour
	if horizon <= 0 {
		horizon = r.ctx.CallsAge / 2
	}
	latest := now.Add(horizon)

	in.NotBefore = in.ReceivedAt
	begin := r.time
	if q.NotBefore != nil {
		in.NotBefore, begin = *q.NotBefore, *q.NotBefore
		if begin.After(latest) {
			r.add("/notBefore", FaultNotBeforeTooFar)
		}
	}
	call, _ := q.ScheduledAt() // the zero time is none, or a fault already
	if call.After(begin) {
		begin = call
	}
	at := "/expiresAt"
	switch {
	case q.ExpiresAt != nil:
		in.ExpiresAt = *q.ExpiresAt
	case q.Agent != "":
		in.ExpiresAt = begin.Add(ExpiryAgent).UTC()
	default:
		in.ExpiresAt = begin.Add(ExpiryOther).UTC()
	}
	if !r.expiry.IsZero() && (q.ExpiresAt == nil || r.expiry.Before(in.ExpiresAt)) {
		at, in.ExpiresAt = "/ce-"+ExtExpiryTime, r.expiry
	}
	if early := q.NotBefore != nil && call.Before(*q.NotBefore); !call.IsZero() &&
		(early || !call.After(now) || !call.Before(in.ExpiresAt) || call.After(latest)) {
		r.add("/options/"+optionScheduledAt, FaultBadSchedule)
	}
	given := q.ExpiresAt != nil || !r.expiry.IsZero()
	switch {
	case q.NotBefore != nil && !in.ExpiresAt.After(begin):
		r.add(at, FaultExpiresFirst)
	case !in.ExpiresAt.After(now):
		r.add(at, FaultExpired)
	case in.ExpiresAt.After(latest) && (given || q.NotBefore == nil):
		r.add(at, FaultExpiryTooFar)
	}
}

// edits is the optimal string alignment distance: insertions, deletions,
// substitutions and swaps of neighbours.
func edits(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return max(len(a), len(b))
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
