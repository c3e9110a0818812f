package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/pkg/providers/tcn"
)

func TestTheDesignLoads(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load("testdata/design.yaml", environment(nil), options(home(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 || len(cfg.Made) > 0 {
		t.Errorf("warnings %v, made %v", cfg.Warnings, cfg.Made)
	}
	if got := cfg.Connections["tcn-main"].Section.(*tcn.Config).MetadataAliases["Account"]; got != "Account Number" {
		t.Errorf("the alias of Account is %q", got)
	}
	if a := cfg.Agents[0]; a.Token.Reveal() != "token-2098765" || a.Provider() != "2098765" || a.HuntGroups[0] != "1045678" {
		t.Errorf("the first agent is %+v", a)
	}
	if key := cfg.Key("acme"); len(key) != 32 || key[1] != 1 {
		t.Error("the key of acme is not what the file holds")
	}
	if !cfg.Loopback() {
		t.Error("the design is on loopback")
	}
}

func TestTheExampleOfTheRepositoryLoads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg, err := config.Load("../../deploy/outdial.example.yaml", environment(nil), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"./secrets/acme.key"}, cfg.Made); diff != "" {
		t.Error(diff)
	}
}

func TestTheCommentedPartsOfTheExampleLoadToo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/outdial.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	sections, inside := 0, false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "# workspace:") || strings.HasPrefix(line, "# ingress:") {
			sections, inside = sections+1, true
		}
		if inside = inside && strings.HasPrefix(line, "#"); inside {
			line = strings.TrimPrefix(line, "# ")
		}
		example.WriteString(line)
	}
	if sections != 2 {
		t.Fatalf("the example has %d of the two sections", sections)
	}
	cfg := parse(t, example.String(), map[string]string{"AGENT4_TOKEN": "four", "ACME_INGRESS_TOKEN": "door"}, home(t))
	if cfg.Workspace.Token("webex-desk", "agent4") != "four" || cfg.Ingress.Tokens["acme"].Reveal() != "door" {
		t.Error("the tokens of the example are not read")
	}
}

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	t.Parallel()
	dir := home(t)
	cfg := parse(t, small, nil, dir)
	if cfg.NATS.Listen != "127.0.0.1:4222" || cfg.HTTP.Listen != "127.0.0.1:8080" || cfg.CallsAge != 72*time.Hour {
		t.Errorf("defaults are %+v %+v %v", cfg.NATS, cfg.HTTP, cfg.CallsAge)
	}
	if cfg.NATS.Store != filepath.Join(dir, "data/nats") {
		t.Errorf("the store is %s", cfg.NATS.Store)
	}
	if cfg.Timing.Orchestrator.Talk != 4*time.Hour || cfg.Timing.Worker.Backoff != 250*time.Millisecond {
		t.Errorf("timing is %+v", cfg.Timing)
	}
}

func TestAServiceOnItsOwnHasADoorOfItsOwn(t *testing.T) {
	t.Parallel()
	o := options(home(t))
	o.Listen = "127.0.0.1:8083"
	for want, text := range map[string]string{"127.0.0.1:8083": small, "127.0.0.1:1": small + "http: {listen: 127.0.0.1:1}\n"} {
		cfg, err := config.Parse("", []byte(text), environment(nil), o)
		if err != nil || cfg.HTTP.Listen != want {
			t.Errorf("got %v, %v, want %s", cfg, err, want)
		}
	}
}

func TestAServerWithoutMonitoringIsTheOperatorsRisk(t *testing.T) {
	t.Parallel()
	o := options(home(t))
	text := []byte(small + "nats: {url: 'nats://127.0.0.1:4222'}\n")
	if _, err := config.Parse("", text, environment(nil), o); err == nil {
		t.Error("nobody has accepted it")
	}
	o.UnsafeFsync = true
	if _, err := config.Parse("", text, environment(nil), o); err != nil {
		t.Error(err)
	}
}

func TestTheEnvironmentWins(t *testing.T) {
	t.Parallel()
	dir := home(t)
	write(t, filepath.Join(dir, "secrets/redis"), "redis://:hunter2@redis:6379\n")
	cfg := parse(t, small+"http: {listen: 127.0.0.1:1}\nredis: {url: redis://elsewhere:1}\ntiming: {dialer: {send: 3s}}\n", map[string]string{
		"OUTDIAL_HTTP_LISTEN":              "127.0.0.1:9999",
		"OUTDIAL_NATS_URL":                 "nats://127.0.0.1:4222,nats://localhost:4223",
		"OUTDIAL_NATS_MONITOR":             "http://127.0.0.1:8222,http://127.0.0.1:8223",
		"OUTDIAL_NATS_USER":                "outdial",
		"OUTDIAL_NATS_PASSWORD":            "hunter3",
		"OUTDIAL_REDIS_URL_FILE":           "secrets/redis",
		"OUTDIAL_CALLS_AGE":                "48h",
		"OUTDIAL_TIMING_DIALER_SEND":       "4s",
		"OUTDIAL_TIMING_BRIDGE_POLL_EVERY": "2s",
		"OUTDIAL_WORKSPACE_ORIGINS":        "https://a.example.com, https://b.example.com",
	}, dir)
	got := []any{
		cfg.HTTP.Listen, cfg.NATS.URL.Reveal(), cfg.NATS.Password.Reveal(), cfg.Redis.URL.Reveal(), cfg.CallsAge,
		cfg.Timing.Dialer.Send, cfg.Timing.Bridge.PollEvery, cfg.Workspace.Origins,
	}
	want := []any{
		"127.0.0.1:9999", "nats://127.0.0.1:4222,nats://localhost:4223", "hunter3", "redis://:hunter2@redis:6379", 48 * time.Hour,
		4 * time.Second, 2 * time.Second, []string{"https://a.example.com", "https://b.example.com"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !cfg.Loopback() {
		t.Error("two servers on loopback are on loopback")
	}
}

func TestEverySettingWithAVariableIsReadFromIt(t *testing.T) {
	t.Parallel()
	fields := 0
	for _, f := range config.Fields(options("").Kinds) {
		if f.Env == "" || f.Type != "duration" && f.Type != "number" && f.Type != "size" {
			continue
		}
		fields++
		_, err := config.Parse("", []byte(small), environment(map[string]string{strings.Replace(f.Env, "<NAME>", "TCN_MAIN", 1): "soon"}), options(home(t)))
		var faults *config.Faults
		if !errors.As(err, &faults) || len(faults.List) != 1 || faults.List[0].Place != strings.Replace(f.Env, "<NAME>", "TCN_MAIN", 1) {
			t.Errorf("%s: %v", f.Env, err)
		}
	}
	if fields < 15 {
		t.Errorf("only %d durations, numbers and sizes have a variable", fields)
	}
}

func TestFaultsOfTheEnvironmentNameTheVariable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env  map[string]string
		want string
	}{
		"a listen address that is none": {map[string]string{"OUTDIAL_HTTP_LISTEN": "nowhere"},
			"OUTDIAL_HTTP_LISTEN: wants host:port, e.g. 127.0.0.1:8080"},
		"a secret and its file": {map[string]string{"OUTDIAL_REDIS_URL": "redis://:hunter2@a", "OUTDIAL_REDIS_URL_FILE": "b"},
			"OUTDIAL_REDIS_URL: and OUTDIAL_REDIS_URL_FILE are both set; one is enough"},
		"a file that is not there": {map[string]string{"OUTDIAL_REDIS_URL_FILE": "secrets/none"},
			"OUTDIAL_REDIS_URL_FILE: there is no such file"},
		"an address that is none": {map[string]string{"OUTDIAL_REDIS_URL": "hunter2"},
			"OUTDIAL_REDIS_URL: is not a redis://, rediss:// or unix:// address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse("outdial.yaml", []byte(small), environment(tc.env), options(home(t)))
			if err == nil {
				t.Fatal("it loads")
			}
			if _, got, _ := strings.Cut(err.Error(), "\n  "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestNoSecretIsEverPrinted(t *testing.T) {
	t.Parallel()
	cfg := parse(t, small+"agents: [{tenant: acme, agent: a, connection: tcn-main, token: {env: TCN_TOKEN}}]\n", map[string]string{
		"TCN_TOKEN": "hunter2", "OUTDIAL_REDIS_URL": "redis://user:hunter2@redis:6379?password=hunter2&db=1",
		"OUTDIAL_NATS_URL": "nats://hunter2@127.0.0.1:4222", "OUTDIAL_NATS_MONITOR": "http://127.0.0.1:8222",
	}, home(t))
	printed, err := cfg.YAML()
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "redis", cfg.Redis.URL, "token", cfg.Agents[0].Token, "all", cfg)
	for how, text := range map[string]string{
		"%v": fmt.Sprintf("%v", cfg), "%+v": fmt.Sprintf("%+v", *cfg), "%#v": fmt.Sprintf("%#v", *cfg), "%s": fmt.Sprintf("%s", cfg.Agents),
		"%q": fmt.Sprintf("%q", cfg.Redis.URL), "%x": fmt.Sprintf("%x", cfg.Redis.URL), "YAML": string(printed), "JSON": string(asJSON), "slog": logged.String(),
	} {
		for _, secret := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), acmeKey} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows a secret: %s", how, text)
			}
		}
	}
	if !strings.Contains(string(printed), "env: TCN_TOKEN") || !strings.Contains(string(printed), "redis://redis:6379?db=1") {
		t.Errorf("printed:\n%s", printed)
	}
}

func TestAPrintedConfigurationLoadsToTheSame(t *testing.T) {
	t.Parallel()
	dir := home(t)
	text, err := os.ReadFile("testdata/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first := parse(t, string(text)+"workspace: {origins: ['https://a.example.com'], tokens: {agent4: {env: DESK_TOKEN}}}\n", nil, dir)
	printed, err := first.YAML()
	if err != nil {
		t.Fatal(err)
	}
	second := parse(t, string(printed), nil, dir)
	same := cmp.Options{cmpopts.IgnoreUnexported(config.Config{}, config.Connection{}, bus.Config{}), cmp.Comparer(func(a, b config.Secret) bool {
		return a.String() == b.String() && a.Reveal() == b.Reveal()
	})}
	if diff := cmp.Diff(first, second, same); diff != "" {
		t.Errorf("%s\nprinted:\n%s", diff, printed)
	}
}

func TestAliasesStandForWhatTheyName(t *testing.T) {
	t.Parallel()
	cfg := parse(t, small+"agents:\n  - {tenant: &t acme, agent: a, connection: tcn-main, token: &s {env: TCN_TOKEN}}\n"+
		"  - {tenant: *t, agent: b, connection: tcn-main, token: *s}\n", nil, home(t))
	if a := cfg.Agents[1]; a.Tenant != "acme" || a.Token.Reveal() != "token-2098765" {
		t.Errorf("the second agent is %+v", a)
	}
}

func TestNoFileIsAFault(t *testing.T) {
	t.Parallel()
	for _, path := range []string{filepath.Join(t.TempDir(), "outdial.yaml"), t.TempDir()} {
		if _, err := config.Load(path, environment(nil), options("")); err == nil || !strings.Contains(err.Error(), "file") {
			t.Errorf("got %v", err)
		}
	}
}
