package config_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
)

func TestAVariableThatNothingReadsIsAFault(t *testing.T) {
	t.Parallel()
	const later = "  later: {kind: ujet, tenant: acme}\n"
	for name, tc := range map[string]struct {
		more    string // of the configuration
		environ string // one a line
		want    []string
	}{
		"a letter too few": {"", "OUTDIAL_HTP_LISTEN=127.0.0.1:1",
			[]string{"OUTDIAL_HTP_LISTEN: nothing reads this variable; did you mean OUTDIAL_HTTP_LISTEN?"}},
		"a file's": {"", "OUTDIAL_REDIS_URL_FLE=x",
			[]string{"OUTDIAL_REDIS_URL_FLE: nothing reads this variable; did you mean OUTDIAL_REDIS_URL_FILE?"}},
		"a connection's setting": {"", "OUTDIAL_CONNECTIONS_TCN_MAIN_BASEURL=x",
			[]string{"OUTDIAL_CONNECTIONS_TCN_MAIN_BASEURL: nothing reads this variable; did you mean OUTDIAL_CONNECTIONS_TCN_MAIN_BASE_URL?"}},
		"a connection's name": {"", "OUTDIAL_CONNECTIONS_TCN_MAN_BASE_URL=x",
			[]string{"OUTDIAL_CONNECTIONS_TCN_MAN_BASE_URL: nothing reads this variable; did you mean OUTDIAL_CONNECTIONS_TCN_MAIN_BASE_URL?"}},
		"of a setting that has none": {"", "OUTDIAL_CONNECTIONS_TCN_MAIN_KIND=tcn", []string{"OUTDIAL_CONNECTIONS_TCN_MAIN_KIND: nothing reads this variable"}},
		"one that is no setting's":   {"", "OUTDIAL_CONFG=x", []string{"OUTDIAL_CONFG: nothing reads this variable; did you mean OUTDIAL_CONFIG?"}},
		"all at once, with those of the file": {"htp: {}\n", "OUTDIAL_NATS_URI=x\nOUTDIAL_PUBLIC_ADDRESS=x", []string{
			"OUTDIAL_NATS_URI: nothing reads this variable; did you mean OUTDIAL_NATS_URL?",
			"OUTDIAL_PUBLIC_ADDRESS: nothing reads this variable",
			"is not a setting; did you mean http?"}},
		"a port that a person wrote": {"", "OUTDIAL_HTTP_PORT=8080", []string{"OUTDIAL_HTTP_PORT: nothing reads this variable"}},

		"what is set":                     {"", "OUTDIAL_HTTP_LISTEN=127.0.0.1:1\nOUTDIAL_REDIS_URL_FILE=secrets/redis\nOUTDIAL_CONNECTIONS_TCN_MAIN_BASE_URL=http://127.0.0.1:1", nil},
		"what is no setting's":            {"", "OUTDIAL_CONFIG=x\nOUTDIAL_REDIS_SERVER=x\nOUTDIAL_SIM_SEED=1", nil},
		"an empty one":                    {"", "OUTDIAL_HTP_LISTEN=", nil},
		"somebody else's":                 {"", "OUTDIALER=x\nOTEL_X=x\nXOUTDIAL_X=y\n=C:=x", nil},
		"one that a secret refers to":     {"ingress: {tokens: {acme: {env: OUTDIAL_MY_TOKEN}}}\n", "OUTDIAL_MY_TOKEN=tok", nil},
		"an agent's, of whom nobody asks": {"agents: [{tenant: acme, agent: a, connection: tcn-main, token: {env: OUTDIAL_HER_TOKEN}}]\n", "OUTDIAL_HER_TOKEN=tok", nil},
		"of a connection that is refused": {later, "OUTDIAL_CONNECTIONS_LATER_BASE_URL=x", []string{"kind ujet is not built yet"}},
		"those of Kubernetes' Services": {"", `OUTDIAL_SERVICE_HOST=10.0.0.1
OUTDIAL_SERVICE_PORT=8080
OUTDIAL_SERVICE_PORT_HTTP=8080
OUTDIAL_PORT=tcp://10.0.0.1:8080
OUTDIAL_PORT_8080_TCP=tcp://10.0.0.1:8080
OUTDIAL_PORT_8080_TCP_PROTO=tcp
OUTDIAL_PORT_8080_TCP_PORT=8080
OUTDIAL_PORT_8080_TCP_ADDR=10.0.0.1
OUTDIAL_NATS_SERVICE_HOST=10.0.0.2
OUTDIAL_NATS_PORT=tcp://10.0.0.2:4222
OUTDIAL_EVENTS_BRIDGE_PORT_514_UDP_ADDR=10.0.0.3`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := home(t)
			write(t, filepath.Join(dir, "secrets/redis"), "redis://:hunter2@redis:6379\n")
			o := options(dir)
			o.Environ = strings.Split(tc.environ, "\n")
			o.NoRoster = strings.Contains(name, "nobody")
			text := small + tc.more
			if tc.more == later {
				text = strings.Replace(small, "connections:\n", "connections:\n"+later, 1)
			}
			set := config.Getenv(o.Environ)
			_, err := config.Parse("outdial.yaml", []byte(text), func(name string) string {
				if v := set(name); v != "" {
					return v
				}
				return environment(nil)(name)
			}, o)
			if err == nil {
				err = &config.Faults{}
			}
			got := strings.Split(err.Error(), "\n")[1:]
			if len(got) != len(tc.want) {
				t.Fatalf("got %q, want %q", got, tc.want)
			}
			for i, want := range tc.want {
				if !strings.HasSuffix(got[i], want) && !strings.Contains(got[i], want+";") {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
		})
	}
}

// A command without a configuration cannot tell what a connection has.
func TestACommandWithoutAConfigurationKnowsTheFixedNames(t *testing.T) {
	t.Parallel()
	fine := []string{"OUTDIAL_CONNECTIONS_TCN_MAIN_BASE_URL=x", "OUTDIAL_NATS_URL=x", "OUTDIAL_SIM_TOKEN=x", "OUTDIAL_REDIS_URL_FILE=x", "HOME=/"}
	if err := config.Unread(fine, kinds.All()); err != nil {
		t.Error(err)
	}
	err := config.Unread(append(fine, "OUTDIAL_SIM_TOKN=hunter2"), kinds.All())
	if err == nil || !strings.Contains(err.Error(), "OUTDIAL_SIM_TOKN: nothing reads this variable; did you mean OUTDIAL_SIM_TOKEN?") || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// Every name that stands somewhere in the repository is one that something reads,
// and every one of the list stands somewhere.
func TestEveryVariableOfTheRepositoryIsKnown(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"OUTDIAL_PORT": true, "OUTDIAL_SERVICE_HOST": true} // of Kubernetes, as the documentation says
	for _, f := range config.Fields(kinds.All()) {
		known[f.Env], known[f.EnvFile] = true, true
	}
	listed := map[string]bool{}
	for _, v := range config.Variables() {
		known[v.Name], listed[v.Name] = true, true
	}
	name := regexp.MustCompile(`\bOUTDIAL_[A-Z0-9_]*[A-Z0-9]\b`)
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // a build's that is over
			return nil
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"bin", "data", "secrets", "node_modules", "internal/config"}, path) || d.Name() == ".git" || d.Name() == ".cache" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || path == "docs/configuration.md":
			return nil
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
			return err
		}
		text, err := fs.ReadFile(root, path)
		if !bytes.Contains(text, []byte(config.EnvPrefix)) {
			return err
		}
		for _, v := range name.FindAllString(string(text), -1) {
			delete(listed, v)
			if !known[v] && !strings.HasPrefix(v, "OUTDIAL_CONNECTIONS_") {
				t.Errorf("%s has %s, which nothing reads", path, v)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(listed) > 0 {
		t.Errorf("listed, and nowhere: %v", slices.Sorted(maps.Keys(listed)))
	}
}
