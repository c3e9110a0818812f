package config

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/door"
)

// replayWindow is how old a signature may be by default. The stream of raw
// messages remembers for as long what it has.
const replayWindow = 2 * time.Minute

// Credential is what a sender has to show; its zero value admits nobody.
func (h Hook) Credential() door.Credential {
	c := door.Credential{Bearer: h.Bearer.Reveal(), User: h.Basic.User, Password: h.Basic.Password.Reveal()}
	if m := h.HMAC; !m.Secret.IsZero() {
		c.HMAC = door.HMAC{Secret: m.Secret.Reveal(), Header: m.Header, Prefix: m.Prefix, Algorithm: cmp.Or(m.Algorithm, "sha256"),
			Encoding: cmp.Or(m.Encoding, "hex"), Timestamp: m.Timestamp, Window: cmp.Or(m.Window, replayWindow)}
	}
	return c
}

// headerShape is a header's name (RFC 9110, 5.1).
var headerShape = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$")

// checkHooks holds every connection's hook to one way of proving who sends, and
// opens its secrets.
func (l *loader) checkHooks() {
	owners := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(l.cfg.Connections)) {
		c, path := l.cfg.Connections[name], child(child("connections", name), "hook")
		h := c.Hook
		ways := 0
		for _, there := range []bool{!h.Bearer.IsZero(), h.Basic != HookBasic{}, h.HMAC != HookHMAC{}} {
			if there {
				ways++
			}
		}
		if ways == 0 {
			// An empty hook would look closed and be as open as none.
			if _, written := l.lines[path]; written && !l.within[path] {
				l.say(path, "is empty; it wants one of bearer, basic and hmac")
			}
			continue
		}
		if c.Section != nil && !c.product.Can.Posts() {
			l.judge(path, "is for a kind that posts, and %s is asked for each agent's status; those that do are %s", c.Kind, strings.Join(l.kinds.posts(), ", "))
		}
		if ways > 1 {
			l.say(path, "has more than one of bearer, basic and hmac")
		}
		l.openHere(child(path, "bearer"), &h.Bearer)
		l.same(owners, child(path, "bearer"), h.Bearer.Reveal(), c.Tenant)
		if h.Basic != (HookBasic{}) {
			l.checkHookBasic(child(path, "basic"), &h.Basic)
		}
		if h.HMAC != (HookHMAC{}) {
			l.checkHookHMAC(child(path, "hmac"), &h.HMAC)
			l.same(owners, child(child(path, "hmac"), "secret"), h.HMAC.Secret.Reveal(), c.Tenant)
		}
		c.Hook = h
		l.cfg.Connections[name] = c
	}
}

func (l *loader) checkHookBasic(path string, b *HookBasic) {
	switch at := child(path, "user"); {
	case b.User == "":
		l.missing(at, "who sends?")
	case !oneLine(b.User) || strings.Contains(b.User, ":"):
		l.judge(at, "wants one line without a colon")
	}
	l.required(child(path, "password"), &b.Password)
}

func (l *loader) checkHookHMAC(path string, m *HookHMAC) {
	at := func(field string) string { return child(path, field) }
	l.required(at("secret"), &m.Secret)
	switch {
	case m.Header == "":
		l.missing(at("header"), "e.g. X-Signature")
	case !headerShape.MatchString(m.Header):
		l.judge(at("header"), "is not the name of a header")
	}
	if m.Timestamp != "" && !headerShape.MatchString(m.Timestamp) {
		l.judge(at("timestamp"), "is not the name of a header")
	}
	if strings.EqualFold(m.Header, m.Timestamp) && m.Header != "" {
		l.judge(at("timestamp"), "is the header of the signature")
	}
	if m.Algorithm != "" && !slices.Contains(door.Algorithms(), m.Algorithm) {
		l.judge(at("algorithm"), "wants one of %s", strings.Join(door.Algorithms(), ", "))
	}
	if m.Encoding != "" && !slices.Contains(door.Encodings(), m.Encoding) {
		l.judge(at("encoding"), "wants one of %s", strings.Join(door.Encodings(), ", "))
	}
	switch {
	case m.Window < 0:
		l.judge(at("window"), "is negative")
	case m.Window > 0 && m.Timestamp == "":
		l.judge(at("window"), "is for a signature with a timestamp")
	}
}
