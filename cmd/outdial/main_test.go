package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/config"
)

// Whatever a command is, it does not begin with a variable that nobody reads.
func TestNoCommandStartsBesideAMisspeltVariable(t *testing.T) {
	t.Parallel()
	const misspelt = config.EnvPrefix + "HTTP_LISTN"
	const example = "../../deploy/outdial.example.yaml"
	for _, args := range []string{
		"up -c " + example, "provision -c " + example, "provision --dry-run -c " + example, "doctor -c " + example, "audit -c " + example,
		"resolve-regression --by me --reason so -c " + example, "call get x -c " + example,
		"call get x", "call explain x", "call find", "compliance check {}", "sim",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			environ := []string{"TCN_TOKEN=token-2098765", misspelt + "=127.0.0.1:1"}
			var out, errOut bytes.Buffer
			code := run(&env{ctx: t.Context(), out: &out, errOut: &errOut, getenv: func(string) string { return "" }, environ: environ}, strings.Fields(args))
			if want := misspelt + ": nothing reads this variable; did you mean OUTDIAL_HTTP_LISTEN?"; code != 2 || !strings.Contains(errOut.String(), want) {
				t.Errorf("exit code %d\n%s%s", code, out.String(), errOut.String())
			}
		})
	}
}

func TestACommandWithoutItsConfigurationSaysWhatToGive(t *testing.T) {
	t.Setenv("OUTDIAL_CONFIG", "")
	for _, args := range []string{"up", "provision --dry-run", "doctor", "audit", "resolve-regression --by me --reason so"} {
		var out, errOut bytes.Buffer
		code := run(&env{ctx: t.Context(), out: &out, errOut: &errOut, getenv: func(string) string { return "" }}, strings.Fields(args))
		if code != 2 || errOut.String() != "outdial: no configuration: give -c FILE, or set OUTDIAL_CONFIG\n" {
			t.Errorf("%s: exit code %d\n%s%s", args, code, out.String(), errOut.String())
		}
	}
}
