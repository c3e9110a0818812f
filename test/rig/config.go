package rig

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim/tcnsim"
)

// Connection is the connection of a kind of desktop.
func Connection(kind providers.Kind) string { return string(kind) + "-desk" }

// Agent is the n-th TCN agent, from 0.
func Agent(n int) string { return strconv.Itoa(FirstTCN + n) }

// tokenOf is a TCN agent's credential, made so that it is easily found where it
// should not be.
func tokenOf(agent string) string { return "canary-credential-of-" + agent }

// agents are the simulator's, acme's first.
func (o Options) agents() []tcnsim.Agent {
	all := tcnsim.Agents(o.Agents + o.Others)
	for i := range all {
		all[i].Token = tokenOf(all[i].AgentSid)
	}
	return all
}

// keys makes the tenants' keys, so that a test can look for tokens.
func (r *Rig) keys() {
	for _, t := range []string{Acme, Globex} {
		k := events.NewKey()
		r.Keys[t] = k
		text := base64.StdEncoding.EncodeToString(k)
		r.secrets = append(r.secrets, text)
		if err := os.WriteFile(filepath.Join(r.Dir, t+".key"), []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

// ruleset is the name of acme's.
func (r *Rig) ruleset() string {
	if r.opts.Ruleset != "" {
		return Ruleset
	}
	return "us-federal"
}

// rulesets is the folder with acme's own rule set, "" without one.
func (r *Rig) rulesets() string {
	if r.opts.Ruleset == "" {
		return ""
	}
	dir := filepath.Join(r.Dir, "rulesets")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, Ruleset+".yaml"), []byte(r.opts.Ruleset), 0o644); err != nil {
		r.t.Fatal(err)
	}
	return dir
}

// yaml is the configuration that every service of the rig reads.
func (r *Rig) yaml() string {
	lines := []string{
		fmt.Sprintf("nats: {url: %q, monitor: %q, state: %q}", r.natsURL, r.monitorURL, filepath.Join(r.Dir, "state")),
		fmt.Sprintf("redis: {url: %q}", r.RedisURL),
		fmt.Sprintf("http: {listen: %q}", r.addrs["events-bridge"][0]),
		fmt.Sprintf("rulesets: {dir: %q}", r.rulesets()),
		"tenants:",
		fmt.Sprintf("  %s: {countries: [US, CA], ruleset: %s, connection: tcn-main, callerIds: [%q], key: {file: %q}}", Acme, r.ruleset(), CallerID, filepath.Join(r.Dir, Acme+".key")),
		fmt.Sprintf("  %s: {countries: [US], ruleset: us-federal, connection: tcn-globex, callerIds: [%q], key: {file: %q}}", Globex, CallerID, filepath.Join(r.Dir, Globex+".key")),
		"connections:",
	}
	for name, tenant := range map[string]string{"tcn-main": Acme, "tcn-globex": Globex} {
		lines = append(lines, fmt.Sprintf("  %s: {kind: tcn, tenant: %s, baseURL: %q, metadataAliases: {Account: \"Account Number\"}, timeout: %s, pollEvery: 25ms}", name, tenant, r.simURL, r.opts.Hang))
	}
	rate := ""
	if r.opts.Rate > 0 {
		rate = fmt.Sprintf(", perSecond: %d", r.opts.Rate)
	}
	for _, kind := range []providers.Kind{providers.Five9, providers.WebexCC} {
		lines = append(lines, fmt.Sprintf("  %s: {kind: %s, tenant: %s%s}", Connection(kind), kind, Acme, rate))
	}
	for _, c := range r.opts.Connections {
		lines = append(lines, "  "+c)
	}
	lines = append(lines, fmt.Sprintf("pace: {processes: %d}", r.opts.Copies)) // dialers alone ask desktops something
	lines = append(lines, "agents:")
	for i, a := range r.opts.agents() {
		tenant, conn := Acme, "tcn-main"
		if i >= r.opts.Agents {
			tenant, conn = Globex, "tcn-globex"
		}
		lines = append(lines, fmt.Sprintf("  - {tenant: %s, agent: %q, connection: %s, huntGroups: [%q], token: {env: RIG_%s}}", tenant, a.AgentSid, conn, HuntGroup, a.AgentSid))
	}
	for _, d := range r.opts.Desks {
		lines = append(lines, fmt.Sprintf("  - {tenant: %s, agent: %s, connection: %s, huntGroups: [%s]}", Acme, d.Agent, Connection(d.Kind), Sales))
	}
	if len(r.opts.Ingress) > 0 {
		lines = append(lines, "ingress:", "  tokens:")
		for tenant := range r.opts.Ingress {
			lines = append(lines, fmt.Sprintf("    %s: {env: RIG_INGRESS_%s}", tenant, tenant))
		}
	}
	// Simulated agents live fast: what is a flood among people is a test's day.
	lines = append(lines, "limits: {sessionsPerHour: 1000000, readyPerHour: 1000000}")
	return strings.Join(lines, "\n") + "\ntiming:" + strings.TrimRight(r.opts.Timing, "\n") + "\n"
}

// environ is what the configuration refers to, as in os.Environ.
func (r *Rig) environ() []string {
	var env []string
	for _, a := range r.opts.agents() {
		env = append(env, "RIG_"+a.AgentSid+"="+a.Token)
	}
	for tenant, token := range r.opts.Ingress {
		env = append(env, "RIG_INGRESS_"+tenant+"="+token)
	}
	return env
}

func (r *Rig) getenv(key string) string {
	env := r.environ()
	if i := slices.IndexFunc(env, func(s string) bool { return strings.HasPrefix(s, key+"=") }); i >= 0 {
		return strings.TrimPrefix(env[i], key+"=")
	}
	return ""
}

// configure writes the configuration and reads it as a service would.
func (r *Rig) configure() *config.Config {
	r.configFile = filepath.Join(r.Dir, "outdial.yaml")
	if err := os.WriteFile(r.configFile, []byte(r.yaml()), 0o600); err != nil {
		r.t.Fatal(err)
	}
	cfg, err := config.Load(r.configFile, r.getenv, config.Options{Kinds: r.opts.Kinds})
	if err != nil {
		r.t.Fatal(err)
	}
	return cfg
}
