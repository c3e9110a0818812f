package events

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A fieldCheck judges one field and keeps its value.
type fieldCheck func(ptr string, n node)

// requestFields is the request's vocabulary: every field of DialRequest by its
// JSON name (a test holds the two together).
func (r *requestReader) requestFields() map[string]fieldCheck {
	q := &r.req
	return map[string]fieldCheck{
		"to":         r.phone(&q.To),
		"alternates": r.alternates,
		"from":       r.phone(&q.From),
		"agent":      r.agent,
		"huntGroup":  r.token(&q.HuntGroup),
		"queue":      r.line(&q.Queue),
		"connection": r.token(&q.Connection),
		"campaign":   r.token(&q.Campaign),
		"reference":  r.token(&q.Reference),
		"contact":    r.token(&q.Contact),
		"parent":     r.token(&q.Parent),
		"priority":   r.priority,
		"purpose":    r.oneOf(&q.Purpose, FaultBadPurpose, PurposeTelemarketing, PurposeDebt, PurposeInformational, PurposeResearch),
		"seller":     r.token(&q.Seller),
		"offer":      r.token(&q.Offer),
		"debt":       r.token(&q.Debt),
		"mode":       r.mode,
		"metadata":   r.metadata,
		"postalCode": r.line(&q.PostalCode),
		"region":     r.line(&q.Region),
		"timeZone":   r.zone,
		"consent":    r.consent,
		"ruleset":    r.token(&q.Ruleset),
		"recording":  r.recording,
		"overrides":  r.overrides,
		"notBefore":  r.instant(&q.NotBefore),
		"expiresAt":  r.instant(&q.ExpiresAt),
		"options":    r.options,
	}
}

// object runs a check for every member and says which names are not known.
func (r *requestReader) object(ptr string, n node, fields map[string]fieldCheck, required ...string) {
	for _, f := range n.members {
		check, known := fields[f.name]
		if !known {
			r.say(place{ptr: ptr}.child(f.name, mayRepeat(f.name)).ptr, FaultUnknownField, sayUnknown(f, slices.Sorted(maps.Keys(fields))))
			continue
		}
		check(ptr+"/"+f.name, f.value)
	}
	for _, name := range required {
		if !n.has(name) {
			r.add(ptr+"/"+name, FaultMissing)
		}
	}
}

// want reports a value of the wrong JSON type.
func (r *requestReader) want(ptr string, n node, k kind) bool {
	if n.kind != k {
		r.say(ptr, FaultWrongJSONType, sayWant(k))
		return false
	}
	if k == isString && n.text == "" {
		r.add(ptr, FaultEmpty)
		return false
	}
	return true
}

// text makes a check for a string that must have a shape.
func (r *requestReader) text(into *string, code string, fits func(string) bool) fieldCheck {
	return func(ptr string, n node) {
		if !r.want(ptr, n, isString) {
			return
		}
		if !fits(n.text) {
			r.add(ptr, code)
			return
		}
		*into = n.text
	}
}

func (r *requestReader) phone(into *string) fieldCheck {
	return r.text(into, FaultNotE164, IsE164)
}

func (r *requestReader) token(into *string) fieldCheck {
	return r.text(into, FaultBadToken, IsToken)
}

// line is free text of one line; what it means is for others to say.
func (r *requestReader) line(into *string) fieldCheck {
	return r.text(into, FaultBadText, func(s string) bool {
		return len(s) <= 128 && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
	})
}

func (r *requestReader) oneOf(into *string, code string, values ...string) fieldCheck {
	return r.text(into, code, func(s string) bool { return slices.Contains(values, s) })
}

// mode takes the ways of dialing that the rules can judge: a person dials.
func (r *requestReader) mode(ptr string, n node) {
	var mode string
	r.oneOf(&mode, FaultBadMode, ModeManual, ModePreview, ModePredictive, ModePrerecorded)(ptr, n)
	switch mode {
	case ModeManual, ModePreview:
		r.req.Mode = mode
	case ModePredictive, ModePrerecorded:
		r.add(ptr, FaultModeUnsupported)
	}
}

var zoneShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)

// zone looks at the form alone: which zones exist is a question for the zone
// data that compliance judges by.
func (r *requestReader) zone(ptr string, n node) {
	r.text(&r.req.TimeZone, FaultBadTimeZone, func(s string) bool {
		return len(s) <= 64 && zoneShape.MatchString(s) && IsPlace(s)
	})(ptr, n)
}

// agent takes a token, or the id of an enrolled agent that does not fit one;
// such ids are hashed wherever a token is needed (AgentToken).
func (r *requestReader) agent(ptr string, n node) {
	if !r.want(ptr, n, isString) {
		return
	}
	known := false
	if r.ctx.Known != nil {
		r.seat, known = r.ctx.Known(n.text)
	}
	switch {
	case !IsToken(n.text) && !known:
		r.add(ptr, FaultBadToken)
	case r.ctx.Known != nil && !known:
		r.add(ptr, FaultUnknownAgent)
	default:
		r.req.Agent = n.text
	}
}

func (r *requestReader) alternates(ptr string, n node) {
	if !r.want(ptr, n, isList) {
		return
	}
	if len(n.items) > r.lim.MaxItems {
		r.add(ptr, FaultTooMany)
		return
	}
	for i, item := range n.items {
		var s string
		r.phone(&s)(ptr+"/"+strconv.Itoa(i), item)
		r.req.Alternates = append(r.req.Alternates, s)
	}
}

func (r *requestReader) priority(ptr string, n node) {
	p, err := strconv.Atoi(n.text)
	switch {
	case n.kind != isNumber:
		r.say(ptr, FaultWrongJSONType, sayWant(isNumber))
	case err != nil || p < 0 || p > 9:
		r.add(ptr, FaultBadPriority)
	default:
		r.req.Priority = p
	}
}

func (r *requestReader) instant(into **time.Time) fieldCheck {
	return func(ptr string, n node) {
		if !r.want(ptr, n, isString) {
			return
		}
		t, ok := parseTime(n.text)
		if !ok {
			r.add(ptr, FaultBadTime)
			return
		}
		*into = &t
	}
}

// anyText keeps a string as it is; an empty one is a value too.
func (r *requestReader) anyText(into *string) fieldCheck {
	return func(ptr string, n node) {
		if n.kind != isString {
			r.say(ptr, FaultWrongJSONType, sayWant(isString))
			return
		}
		*into = n.text
	}
}

func (r *requestReader) metadata(ptr string, n node) {
	if !r.want(ptr, n, isList) {
		return
	}
	for i, item := range n.items {
		at := ptr + "/" + strconv.Itoa(i)
		if !r.want(at, item, isObject) {
			continue
		}
		var kv KeyValue
		notEmpty := func(ptr string, n node) {
			if r.want(ptr, n, isString) {
				kv.Key = n.text
				if _, near := PostalKey(n.text); near {
					r.add(ptr, FaultNearKey)
				}
			}
		}
		r.object(at, item, map[string]fieldCheck{"key": notEmpty, "value": r.anyText(&kv.Value)}, "key", "value")
		r.req.Metadata = append(r.req.Metadata, kv)
	}
}

func (r *requestReader) consent(ptr string, n node) {
	if !r.want(ptr, n, isObject) {
		return
	}
	r.req.Consent = &ConsentRef{}
	r.object(ptr, n, map[string]fieldCheck{"id": r.line(&r.req.Consent.ID)}, "id")
}

func (r *requestReader) recording(ptr string, n node) {
	if !r.want(ptr, n, isObject) {
		return
	}
	ask := &RecordingAsk{}
	r.req.Recording = ask
	r.object(ptr, n, map[string]fieldCheck{
		"on": func(ptr string, n node) {
			if r.want(ptr, n, isBool) {
				ask.On = n.yes
			}
		},
		"permission": r.line(&ask.Permission),
	}, "on")
}

func (r *requestReader) overrides(ptr string, n node) {
	if !r.want(ptr, n, isList) {
		return
	}
	if len(n.items) > r.lim.MaxItems {
		r.add(ptr, FaultTooMany)
		return
	}
	for i, item := range n.items {
		at := ptr + "/" + strconv.Itoa(i)
		if !r.want(at, item, isObject) {
			continue
		}
		var o Override
		r.object(at, item, map[string]fieldCheck{
			"rule": r.token(&o.Rule), "agent": r.line(&o.Agent), "reason": r.line(&o.Reason),
		}, "rule", "agent", "reason")
		r.req.Overrides = append(r.req.Overrides, o)
	}
}

// options are the provider's business; here they only have to be an object
// within the limits.
func (r *requestReader) options(ptr string, n node) {
	if !r.want(ptr, n, isObject) {
		return
	}
	r.req.Options, _ = n.plainValue().(map[string]any)
	if at, asked := r.req.ScheduledAt(); asked && at.IsZero() {
		r.add(ptr+"/"+optionScheduledAt, FaultBadTime)
	}
}
