package deploy

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
)

// disagreeing says what of a service does not fit to what stands elsewhere: the
// variables that are read, the ports that are examined, NATS, files and secrets.
func disagreeing(name string, s types.ServiceConfig, monitor string) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, name+": "+fmt.Sprintf(format, args...)) }
	given := map[string]bool{}
	for _, secret := range s.Secrets {
		given["/run/secrets/"+filepath.Base(cmp.Or(secret.Target, secret.Source))] = true
	}
	var environ []string
	for variable, value := range s.Environment {
		if value == nil {
			continue
		}
		environ = append(environ, variable+"="+*value)
		if strings.HasPrefix(*value, "/run/secrets/") && !given[*value] {
			say("%s names %s, which it is not given", variable, *value)
		}
	}
	if err := config.Unread(environ, kinds.All()); err != nil {
		say("%v", err)
	}
	get := config.Getenv(environ)
	if url := get("OUTDIAL_NATS_URL"); url != "" && (url != "nats://nats:4222" || get("OUTDIAL_NATS_MONITOR") != "http://"+monitor) {
		say("looks for NATS elsewhere")
	}
	listen := get("OUTDIAL_HTTP_LISTEN")
	if name == "simulator" {
		listen = s.Command[len(s.Command)-1]
	}
	if _, port, ok := strings.Cut(listen, ":"); ok {
		if at := s.HealthCheck.Test[len(s.HealthCheck.Test)-1]; !strings.HasPrefix(at, "http://127.0.0.1:"+port+"/") {
			say("listens on %s, and %s is examined", listen, at)
		}
	}
	for _, v := range s.Volumes {
		if _, err := os.Stat(v.Source); v.Type == types.VolumeTypeBind && err != nil {
			say("%v", err)
		}
	}
	return wrong
}

func TestComposeAgreesWithTheRest(t *testing.T) {
	t.Parallel()
	p := project(t, "observability", "tools")
	monitor := *p.Services["nats"].Environment["NATS_MONITOR"]
	for name, s := range p.Services {
		for _, says := range disagreeing(name, s, monitor) {
			t.Error(says)
		}
	}
	// The server that is run is the one that everything was tested with.
	server := regexp.MustCompile(`nats-io/nats-server/v2 v(\S+)`).FindSubmatch(read(t, "go.mod"))
	if server == nil || p.Services["nats"].Image != "outdial-nats:"+string(server[1]) || !strings.Contains(string(read(t, "Dockerfile")), "\nFROM nats:"+string(server[1])+"-alpine AS nats\n") {
		t.Errorf("the tests' NATS server is %s, and the image %s, or the Dockerfile's another", server, p.Services["nats"].Image)
	}
	if simulator := "http://simulator:" + strings.TrimPrefix(p.Services["simulator"].Command[2], "0.0.0.0:"); !strings.Contains(string(read(t, "deploy", "compose", "outdial.yaml")), `"`+simulator+`"`) {
		t.Errorf("the provider is not %s", simulator)
	}
	text := string(read(t, composeFile))
	for service, tc := range map[string]struct{ old, new string }{ // the negative controls
		"compliance":    {"OUTDIAL_RULESETS_DIR", config.EnvPrefix + "RULESET_DIR"},
		"dialer":        {"127.0.0.1:8083/readyz", "127.0.0.1:8084/readyz"},
		"provision":     {"target: nats_nkey}, tenant_acme, tcn_token]\n    networks: [core]\n    depends_on", "target: nats_key}, tenant_acme, tcn_token]\n    networks: [core]\n    depends_on"},
		"prometheus":    {"./deploy/observability/alerts.yml", "./deploy/observability/alarms.yml"},
		"events-bridge": {"OUTDIAL_NATS_MONITOR: http://10.77.1.10:8222", "OUTDIAL_NATS_MONITOR: http://10.77.1.11:8222"},
	} {
		if !strings.Contains(text, tc.old) {
			t.Fatalf("the compose file does not hold %q", tc.old)
		}
		p, err := compose(t, []byte(strings.Replace(text, tc.old, tc.new, 1)), environment(), "observability", "tools")
		if err != nil {
			t.Error(err)
		} else if len(disagreeing(service, p.Services[service], monitor)) == 0 {
			t.Errorf("%s is not seen", tc.new)
		}
	}
}
