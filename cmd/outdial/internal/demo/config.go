package demo

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// india is the rule set of the demonstration's Indian tenant: the embedded
// ones cover North America, and an Indian number needs hours of its own.
const india = `name: india-desk
description: >-
  Calling hours of the demonstration's Indian tenant. An example of a tenant's
  own rule set, not a statement of Indian law.
source: example
countries: [IN]
windows:
  every-day: 09:00-21:00
`

// places are the addresses of one run.
type places struct {
	NATS, HTTP, TCN, Dir string
}

// yaml is the configuration of the demonstration, as --print-config shows it.
func (p places) yaml() string {
	lines := []string{
		fmt.Sprintf("nats: {listen: %q, store: %q}", p.NATS, filepath.Join(p.Dir, "nats")),
		fmt.Sprintf("http: {listen: %q}", p.HTTP),
		fmt.Sprintf("rulesets: {dir: %q}", filepath.Join(p.Dir, "rulesets")),
		"tenants:",
		fmt.Sprintf("  acme:   {countries: [US, CA], ruleset: us-federal, connection: tcn-main, callerIds: [\"+18667451900\"], key: {file: %q}}", filepath.Join(p.Dir, "acme.key")),
		fmt.Sprintf("  bharat: {countries: [IN], ruleset: india-desk, connection: webex-desk, key: {file: %q}}", filepath.Join(p.Dir, "bharat.key")),
		"connections:",
		fmt.Sprintf("  tcn-main:   {kind: tcn,     tenant: acme, baseURL: %q, metadataAliases: {Account: \"Account Number\"}}", p.TCN),
		"  five9-desk: {kind: five9,   tenant: acme}",
		"  webex-desk: {kind: webexcc, tenant: bharat}",
		"agents:",
	}
	for _, a := range []string{"2098765", "2098766", "2098767", "2098768"} {
		lines = append(lines, fmt.Sprintf("  - {tenant: acme, agent: %q, connection: tcn-main, huntGroups: [\"1045678\"], token: {env: DEMO_TCN_%s}}", a, a))
	}
	lines = append(lines,
		"  - {tenant: acme, agent: agent5, connection: five9-desk, huntGroups: [sales]}",
		"  - {tenant: bharat, agent: agent4, connection: webex-desk, huntGroups: [outreach]}",
		"timing:  # quicker than in production, so that it can be watched",
		"  dialer: {answer: 2s, settle: 400ms}",
		"  bridge: {pollEvery: 150ms}",
		"  orchestrator: {retry: 400ms}",
	)
	return strings.Join(lines, "\n") + "\n"
}

// getenv adds the simulated agents' tokens to the environment.
func getenv(key string) string {
	if sid, ok := strings.CutPrefix(key, "DEMO_TCN_"); ok {
		return "token-" + sid
	}
	return os.Getenv(key)
}

// prepare writes what the configuration refers to.
func (p places) prepare() error {
	dir := filepath.Join(p.Dir, "rulesets")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "india-desk.yaml"), []byte(india), 0o644)
}

// free returns the usual address if nobody listens there, else one that is
// free.
func free(usual string) string {
	for _, at := range []string{usual, "127.0.0.1:0"} {
		if l, err := net.Listen("tcp", at); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	return usual
}
