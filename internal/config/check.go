package config

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/outdial/outdial/pkg/events"
)

// check looks at what has been read, all of it, and opens the secrets. It
// returns the tenants whose key files do not exist.
func (l *loader) check() (keyless []string) {
	l.checkNATS()
	l.checkDoors()
	l.checkTiming()
	l.checkLimits()
	regions := phonenumbers.GetSupportedRegions()
	if len(l.cfg.Tenants) == 0 {
		l.missing("tenants", "at least one tenant is needed")
	}
	for _, name := range slices.Sorted(maps.Keys(l.cfg.Tenants)) {
		if l.checkTenant(name, regions) {
			keyless = append(keyless, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.cfg.Connections)) {
		l.checkConnection(name)
	}
	l.checkAgents()
	l.checkWorkspace()
	l.checkIngress()
	l.checkHooks()
	l.sameKeys()
	return keyless
}

// name refuses what cannot be a token of a subject. A lone _ stands for "all".
func (l *loader) name(path, s, what string) {
	if !events.IsToken(s) || s == "_" {
		l.judge(path, "a %s's name has 1 to 64 of A-Z a-z 0-9 _ -, and is not _ alone", what)
	}
}

// checkTenant says whether the tenant's key file is missing.
func (l *loader) checkTenant(name string, regions map[string]bool) (keyless bool) {
	path, t := child("tenants", name), l.cfg.Tenants[name]
	l.name(path, name, "tenant")
	at := func(field string) string { return child(path, field) }
	if len(t.Countries) == 0 {
		l.missing(at("countries"), "name those that may be called, e.g. [US, CA]")
	}
	for i, c := range t.Countries {
		switch p := item(at("countries"), i); {
		case !regions[c]:
			l.judge(p, "is not an ISO 3166-1 code of a country with telephones, such as US")
		case slices.Contains(t.Countries[:i], c):
			l.judge(p, "stands twice")
		}
	}
	switch {
	case t.Ruleset == "":
		l.missing(at("ruleset"), "e.g. us-federal")
	case !events.IsToken(t.Ruleset):
		l.judge(at("ruleset"), "is not the name of a rule set")
	}
	if t.Connection != "" {
		l.refer(at("connection"), name, t.Connection)
	}
	for i, n := range t.CallerIDs {
		switch p := item(at("callerIds"), i); {
		case !events.IsE164(n):
			l.judge(p, "is not an E.164 number: +, country code and national number, digits only, in quotes")
		case slices.Contains(t.CallerIDs[:i], n):
			l.judge(p, "stands twice")
		}
	}
	return l.checkKey(at("key"), name, t)
}

// refer refuses a connection that does not exist or is another tenant's.
func (l *loader) refer(path, tenant, connection string) {
	c, ok := l.cfg.Connections[connection]
	switch {
	case l.later[child("connections", connection)]:
	case !ok:
		l.judge(path, "connection %q does not exist%s", cut(connection),
			meant(connection, slices.Sorted(maps.Keys(l.cfg.Connections))))
	case c.Tenant != tenant && tenant != "":
		l.judge(path, "connection %s is not of tenant %s", connection, cut(tenant))
	}
}

// owner refuses a tenant that does not exist.
func (l *loader) owner(path, tenant string) {
	if tenant == "" {
		l.missing(path, "whose is it?")
	} else if _, ok := l.cfg.Tenants[tenant]; !ok {
		l.judge(path, "tenant %q does not exist%s", cut(tenant), meant(tenant, slices.Sorted(maps.Keys(l.cfg.Tenants))))
	}
}

func (l *loader) checkConnection(name string) {
	path, c := child("connections", name), l.cfg.Connections[name]
	l.name(path, name, "connection")
	if c.Section == nil {
		return // refused by its kind
	}
	l.owner(child(path, "tenant"), c.Tenant)
	for _, rate := range []string{"perSecond", otherRate} {
		if at := child(path, rate); c.PerSecond <= 0 && (l.lines[at] > 0 || l.envs[at] != "") {
			l.judge(at, "must be at least 1; leave it out for %s", stated(c.product.Can.PerSecond))
		}
	}
	if c.PerSecond == 0 {
		c.PerSecond = c.product.Can.PerSecond
		l.cfg.Connections[name] = c
	}
	for setting, v := range settings(section(c.Section)) {
		switch of := v.Addr().Interface().(type) {
		case *Secret:
			l.openHere(child(path, setting), of)
		case *time.Duration:
			if *of < 0 {
				l.judge(child(path, setting), "is negative")
			}
		}
	}
	mistakes := c.Section.Check()
	for _, m := range mistakes {
		at := path
		for _, step := range m.At {
			at = child(at, step)
		}
		if m.Absent {
			l.missing(at, "%s", m.Says)
		} else {
			l.judge(at, "%s", m.Says)
		}
	}
	// Nobody could say whether calls of it reach people.
	if len(mistakes) == 0 && c.Section.Address() == "" && c.product.Desktops == nil {
		l.judge(path, "kind %s does not say where it is asked", c.Kind)
	}
}

// stated is the rate of a connection that says none.
func stated(perSecond int) string {
	if perSecond == 0 {
		return "no rate"
	}
	return strconv.Itoa(perSecond) + ", as the provider's document says"
}

// checkTiming holds every limit to be positive and the watchdogs to be done
// before the log forgets the call.
func (l *loader) checkTiming() {
	for path, d := range durations("timing", reflect.ValueOf(l.cfg.Timing)) {
		if d <= 0 {
			l.judge(path, "must be more than nothing")
		}
	}
	if l.cfg.CallsAge <= 24*time.Hour {
		l.judge("callsAge", "must be more than 24h: a request has to expire a day before the log forgets its call")
	}
	o := l.cfg.Timing.Orchestrator
	sum := time.Duration(0)
	for _, d := range []time.Duration{o.Undo, o.Answer, o.Unknown, o.Silence, o.Ring, o.Talk, o.Ended, o.WrapUp} {
		sum += min(max(d, 0), 48*time.Hour)
	}
	if sum >= 24*time.Hour {
		l.say("timing.orchestrator", "undo, answer, unknown, silence, ring, talk, ended and wrapUp together must be less than 24h, or the log may forget a call before it is closed; they are %s", sum)
	}
	if alive := l.cfg.Timing.Bridge.Alive; o.Lease > 0 && o.Lease < 3*alive {
		l.say("timing.orchestrator.lease", "must be at least three times timing.bridge.alive, which is %s, or one lost message ends every desktop's session", alive)
	}
	d := l.cfg.Timing.Dialer
	if speaks := max(d.Send+d.Answer+d.Settle, l.cfg.Timing.Compliance.Prepare+2*time.Second); o.Silence > 0 && o.Silence <= speaks {
		l.say("timing.orchestrator.silence", "must be more than the %s in which the dialer and compliance answer, or a call is given up while its answer is on its way", speaks)
	}
}

// sameKeys refuses one key for two tenants: their numbers would have the same
// tokens, and either could read the other's sealed credentials.
func (l *loader) sameKeys() {
	by := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(l.cfg.Tenants)) {
		k := l.cfg.Tenants[name].Key
		same := k.Reveal()
		if same == "" && k.File != "" {
			same = "file " + filepath.Clean(l.at(k.File))
		}
		if other, ok := by[same]; ok && same != "" {
			l.judge(child(child("tenants", name), "key"), "is the key of tenant %s too; every tenant has its own", other)
		}
		by[same] = name
	}
}

// same refuses one token for two tenants' doors.
func (l *loader) same(by map[string]string, path, value, owner string) {
	if other, ok := by[value]; ok && value != "" && other != owner {
		l.judge(path, "is the token of tenant %s too; every tenant has its own", other)
	}
	by[value] = owner
}
