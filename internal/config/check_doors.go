package config

import (
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

func (l *loader) checkNATS() {
	n := &l.cfg.NATS
	if n.URL == "" {
		l.checkEmbedded()
	} else {
		l.checkServer()
	}
	ways := 0
	for _, s := range []string{n.Creds, n.NKey, n.User} {
		if s != "" {
			ways++
		}
	}
	if ways > 1 {
		l.say("nats", "has more than one of creds, nkey and user")
	}
	if (n.User == "") != n.Password.IsZero() {
		l.say("nats", "user and password belong together")
	}
	l.openHere("nats.password", &n.Password)
	if (n.TLS.Cert == "") != (n.TLS.Key == "") {
		l.say("nats.tls", "cert and key belong together")
	}
	for path, file := range map[string]string{"nats.tls.ca": n.TLS.CA, "nats.tls.cert": n.TLS.Cert} {
		l.file(path, file, false)
	}
	for path, file := range map[string]string{"nats.creds": n.Creds, "nats.nkey": n.NKey, "nats.tls.key": n.TLS.Key} {
		l.file(path, file, true)
	}
}

// file refuses a file that is not there.
func (l *loader) file(path, file string, secret bool) {
	if file == "" {
		return
	}
	info, says := regular(l.at(file))
	switch {
	case says != "":
		l.judge(path, "%s", says)
	case secret:
		l.permissions(path, info)
	}
}

func (l *loader) checkEmbedded() {
	n := l.cfg.NATS
	if n.Store == "" {
		l.missing("nats.store", "the embedded server needs a folder")
	}
	for path, addr := range map[string]string{"nats.listen": n.Listen, "nats.monitor": n.Monitor} {
		if addr == "" {
			continue
		}
		if says := badListen(addr); says != "" {
			l.judge(path, "%s", says)
		} else if !door.LoopbackHost(addr) {
			l.judge(path, "the embedded server knows no credentials and listens on loopback only; run a server of its own and set nats.url")
		}
	}
	if n.Creds != "" || n.NKey != "" || n.User != "" || n.TLS != (TLS{}) {
		l.say("nats", "credentials and certificates are for nats.url; the embedded server knows none")
	}
}

func (l *loader) checkServer() {
	n := l.cfg.NATS
	for one := range strings.SplitSeq(n.URL.Reveal(), ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		switch {
		case err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme):
			l.judge("nats.url", "is not a nats:// or tls:// address, or several with commas")
			return
		case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
			l.judge("nats.url", "may not hold a path, query or fragment")
			return
		case !door.LoopbackHost(u.Hostname()) && (u.Scheme == "nats" || u.Scheme == "ws") && n.TLS == (TLS{}):
			l.warn("nats.url", "is not on loopback and not encrypted; use tls:// or nats.tls")
		}
	}
	if n.Monitor == "" && !l.UnsafeFsync {
		l.missing("nats.monitor", "with nats.url it is the server's HTTP monitoring, e.g. http://127.0.0.1:8222, because whether the server writes to disk before it acknowledges is visible nowhere else")
	}
	if n.Monitor == "" {
		return
	}
	for one := range strings.SplitSeq(n.Monitor, ",") {
		if says := providers.WrongURL(strings.TrimSpace(one)); says != "" {
			l.judge("nats.monitor", "%s", says)
		}
	}
}

func (l *loader) checkDoors() {
	if says := badListen(l.cfg.HTTP.Listen); says != "" {
		l.judge("http.listen", "%s", says)
	}
	if s := l.cfg.Redis.URL.Reveal(); s != "" {
		u, err := url.Parse(s)
		network := err == nil && (u.Scheme == "redis" || u.Scheme == "rediss") && u.Hostname() != ""
		socket := err == nil && u.Scheme == "unix" && u.Path != ""
		if !network && !socket {
			l.judge("redis.url", "is not a redis://, rediss:// or unix:// address")
		}
	}
	if dir := l.cfg.Rulesets.Dir; dir != "" && !isDir(l.at(dir)) {
		l.judge("rulesets.dir", "there is no such folder")
	}
}

func badListen(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	switch {
	case err != nil || strings.ContainsAny(host, "/@ "):
		return "wants host:port, e.g. 127.0.0.1:8080"
	case port == "":
		return "wants a port"
	}
	return providers.WrongPort(port)
}

// openHere opens a secret that must be there.
func (l *loader) openHere(path string, s *Secret) {
	if !s.IsZero() && !l.open(path, s) {
		l.judge(path, missingFile)
	}
}

func (l *loader) checkAgents() {
	ours, theirs := map[string]int{}, map[string]int{}
	for i := range l.cfg.Agents {
		a, path := &l.cfg.Agents[i], item("agents", i)
		at := func(field string) string { return child(path, field) }
		l.owner(at("tenant"), a.Tenant)
		if a.Connection == "" {
			l.missing(at("connection"), "where does the agent work?")
		} else {
			l.refer(at("connection"), a.Tenant, a.Connection)
		}
		if !l.NoRoster {
			l.openHere(at("token"), &a.Token)
		}
		if c := l.cfg.Connections[a.Connection]; c.product.Can.Token && a.Token.IsZero() {
			l.missing(at("token"), "agents of kind %s need their credential", c.Kind)
		}
		for j, g := range a.HuntGroups {
			l.name(item(at("huntGroups"), j), g, "hunt group")
		}
		if a.Agent == "" {
			l.missing(at("agent"), "who is it?")
			continue
		}
		if !oneLine(a.Agent) {
			l.judge(at("agent"), "wants one line, at most 128 characters")
		}
		if a.ProviderAgent != "" && !oneLine(a.ProviderAgent) {
			l.judge(at("providerAgent"), "wants one line, at most 128 characters")
		}
		if first, ok := ours[a.Tenant+"\x00"+events.AgentToken(a.Agent)]; ok {
			l.judge(at("agent"), "stands twice for this tenant, first at agents[%d]", first)
			continue
		}
		ours[a.Tenant+"\x00"+events.AgentToken(a.Agent)] = i
		known := a.Connection + "\x00" + a.Provider()
		if first, ok := theirs[known]; ok {
			l.judge(path, "is the provider's agent of agents[%d] too: one person would be on two calls", first)
		}
		theirs[known] = i
	}
}

func oneLine(s string) bool {
	return s != "" && len(s) <= 128 && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f })
}

func (l *loader) checkWorkspace() {
	w := l.cfg.Workspace
	for i, o := range w.Origins {
		if u, err := url.Parse(o); err != nil || providers.WrongURL(o) != "" || u.Path != "" {
			l.judge(item("workspace.origins", i), "is not scheme://host[:port]")
		}
	}
	owners := map[string]bool{}
	for name, c := range l.cfg.Connections {
		if l.desktop(name) {
			owners[c.Tenant] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(w.Tokens)) {
		path, s := child("workspace.tokens", key), w.Tokens[key]
		connection, agent, full := strings.Cut(key, "/")
		switch {
		case !full && len(owners) > 1:
			l.judge(path, "desktops belong to several tenants; write connection/agent")
		case !full && !oneLine(key), full && !oneLine(agent):
			l.judge(path, "wants connection/agent, or an agent")
		case full && !l.desktop(connection) && !l.later[child("connections", connection)]:
			l.judge(path, "%q is not a connection with desktops", cut(connection))
		}
		l.required(path, &s)
		w.Tokens[key] = s
	}
	if len(owners) > 0 && len(w.Tokens) == 0 && !door.LoopbackHost(l.cfg.HTTP.Listen) {
		l.warn("workspace.tokens", "there are none, so desktops can connect from this machine alone")
	}
}

func (l *loader) desktop(connection string) bool {
	return l.cfg.Connections[connection].product.Desktops != nil
}

func (l *loader) checkIngress() {
	by := map[string]string{}
	for _, tenant := range slices.Sorted(maps.Keys(l.cfg.Ingress.Tokens)) {
		path, s := child("ingress.tokens", tenant), l.cfg.Ingress.Tokens[tenant]
		l.owner(path, tenant)
		l.required(path, &s)
		l.same(by, path, s.Reveal(), tenant)
		l.cfg.Ingress.Tokens[tenant] = s
	}
}

// required opens a secret that has to be configured.
func (l *loader) required(path string, s *Secret) {
	if s.IsZero() {
		l.missing(path, "write {env: NAME} or {file: PATH}")
		return
	}
	l.openHere(path, s)
}

// durations lists every duration of a struct of structs, by its path.
func durations(path string, of reflect.Value) map[string]time.Duration {
	out := map[string]time.Duration{}
	for name, v := range settings(of) {
		if d, ok := v.Interface().(time.Duration); ok {
			out[child(path, name)] = d
		} else {
			maps.Copy(out, durations(child(path, name), v))
		}
	}
	return out
}
