package deploy

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/test/exams/redistest"
)

const composeFile = "docker-compose.yml"

// environment is what deploy/nats/keys.sh puts into .env.
func environment() types.Mapping {
	env := types.Mapping{"OUTDIAL_USER": "1000:1000"}
	for _, u := range users {
		env["NATS_NKEY_"+strings.ToUpper(u)] = "U" + strings.ToUpper(u)
	}
	return env
}

// compose loads a compose file as docker compose would.
func compose(t *testing.T, text []byte, env types.Mapping, profiles ...string) (*types.Project, error) {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: dir, Environment: env,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, composeFile), Content: text}},
	}, func(o *loader.Options) { o.SetProjectName("outdial", true); o.Profiles = profiles })
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func project(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	p, err := compose(t, read(t, composeFile), environment(), profiles...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeLoads(t *testing.T) {
	t.Parallel()
	core := []string{"compliance", "dialer", "events-bridge", "nats", "orchestrator", "provision", "simulator", "valkey"}
	if got := slices.Sorted(maps.Keys(project(t).Services)); !slices.Equal(got, core) {
		t.Errorf("by default: %v, want %v", got, core)
	}
	more := slices.Sorted(slices.Values(append(slices.Clone(core), "grafana", "nats-exporter", "otel-collector", "prometheus")))
	if got := slices.Sorted(maps.Keys(project(t, "observability").Services)); !slices.Equal(got, more) {
		t.Errorf("observed: %v, want %v", got, more)
	}
}

// What is wrong with a service, in words; nothing for a sound one.
func unsound(name string, s types.ServiceConfig) []string {
	var wrong []string
	check := func(ok bool, says string) {
		if !ok {
			wrong = append(wrong, name+": "+says)
		}
	}
	uid, err := strconv.Atoi(strings.SplitN(s.User, ":", 2)[0])
	check(err == nil && uid > 0, "runs as root, or as nobody knows whom")
	check(s.ReadOnly, "may write to its root file system")
	check(slices.Equal(s.CapDrop, []string{"ALL"}) && len(s.CapAdd) == 0 && !s.Privileged, "keeps capabilities")
	check(slices.Contains(s.SecurityOpt, "no-new-privileges:true"), "may gain privileges")
	check(s.MemLimit > 0 && s.PidsLimit > 0, "has no limits")
	once := s.Restart == "no"
	watched := s.HealthCheck != nil && !s.HealthCheck.Disable && len(s.HealthCheck.Test) > 0
	check(once || watched, "is neither examined nor one-shot")
	check(s.NetworkMode == "" && s.Pid == "" && s.Ipc == "", "shares a name space with the machine")
	if s.Build == nil {
		tag := s.Image[strings.LastIndex(s.Image, ":")+1:]
		check(strings.Contains(s.Image, ":") && strings.Count(tag, ".") >= 2, "image "+s.Image+" is not pinned to an exact version")
	}
	for _, p := range s.Ports {
		check(p.HostIP == "127.0.0.1", "publishes port "+p.Published+" beyond this machine")
	}
	return wrong
}

func TestComposeIsHardened(t *testing.T) {
	t.Parallel()
	for name, s := range project(t, "observability", "tools").Services {
		for _, says := range unsound(name, s) {
			t.Error(says)
		}
	}
}

func TestComposePublishesOnlyTheDoors(t *testing.T) {
	t.Parallel()
	doors := map[string][]string{"nats": {"4222"}, "events-bridge": {"8080"}, "grafana": {"3000"}}
	for name, s := range project(t, "observability").Services {
		var ports []string
		for _, p := range s.Ports {
			ports = append(ports, p.Published)
		}
		if !slices.Equal(ports, doors[name]) {
			t.Errorf("%s publishes %v, want %v", name, ports, doors[name])
		}
	}
}

// The services meet inside, and only those who speak to providers get out.
func TestComposeNetworks(t *testing.T) {
	t.Parallel()
	p := project(t, "observability")
	if !p.Networks["core"].Internal {
		t.Error("core has a way out")
	}
	var out []string
	for name, s := range p.Services {
		if _, ok := s.Networks["egress"]; ok {
			out = append(out, name)
		}
		if _, ok := s.Networks["edge"]; ok && len(s.Ports) == 0 {
			t.Errorf("%s is at the edge and publishes nothing", name)
		}
	}
	slices.Sort(out)
	if want := []string{"compliance", "dialer", "events-bridge", "simulator"}; !slices.Equal(out, want) {
		t.Errorf("to providers get %v, want %v", out, want)
	}
	monitor := p.Services["nats"].Environment["NATS_MONITOR"]
	if monitor == nil || !strings.HasPrefix(*monitor, p.Services["nats"].Networks["core"].Ipv4Address+":") {
		t.Error("the monitoring of NATS does not listen on the internal network alone")
	}
}

// Each service has its own NATS user and nobody else's key.
func TestComposeKeys(t *testing.T) {
	t.Parallel()
	p := project(t, "tools")
	for name, user := range map[string]string{"orchestrator": "orchestrator", "compliance": "compliance", "dialer": "dialer",
		"events-bridge": "bridge", "provision": "provision", "operator": "operator"} {
		var got []string
		for _, s := range p.Services[name].Secrets {
			if strings.HasPrefix(s.Source, "nats_") {
				got = append(got, s.Source)
			}
		}
		if want := []string{"nats_" + user}; !slices.Equal(got, want) {
			t.Errorf("%s has the keys %v, want %v", name, got, want)
		}
	}
	script := string(read(t, "deploy", "nats", "keys.sh"))
	for name, s := range p.Secrets {
		file := filepath.Base(s.File)
		made := strings.Contains(script, file) ||
			strings.HasPrefix(file, "nats-") && strings.Contains(script, strings.TrimSuffix(strings.TrimPrefix(file, "nats-"), ".nk"))
		if !made {
			t.Errorf("keys.sh does not make %s of secret %s", file, name)
		}
	}
}

// Nobody but their owner can read the keys, and whoever reads them in a container
// is their owner.
func TestKeysAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"deploy/nats/keys.sh": read(t, "deploy", "nats", "keys.sh"),
		"nats":                []byte("#!/bin/sh\ncase \"$3\" in gen) printf SUAKEY >\"$6\"; chmod 644 \"$6\";; show) echo UKEY;; esac\n"),
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, text, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // what is there is kept
		cmd := exec.CommandContext(t.Context(), "sh", filepath.Join(dir, "deploy/nats/keys.sh"))
		cmd.Env = append(os.Environ(), "NATS_CLI="+filepath.Join(dir, "nats"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "deploy/secrets/*"))
	if err != nil || len(files) < len(project(t).Secrets) {
		t.Errorf("made %v, %v", files, err)
	}
	for _, file := range append(files, filepath.Join(dir, ".env")) {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
			t.Errorf("%s: %v, %v", filepath.Base(file), info.Mode(), err)
		}
	}
	env, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil || strings.Count(string(env), "OUTDIAL_USER=") != 1 || strings.Contains(string(env), "OUTDIAL_USER=0:") {
		t.Errorf("%s, %v", env, err)
	}
	for name, s := range project(t, "observability", "tools").Services {
		if len(s.Secrets) > 0 && s.User != "1000:1000" {
			t.Errorf("%s runs as %s, which cannot read its secrets", name, s.User)
		}
	}
}

// Base images are pinned, and no image is left as root.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := string(read(t, "Dockerfile"))
	targets := map[string]bool{}
	for _, stage := range strings.Split(text, "\nFROM ")[1:] {
		first := strings.Fields(strings.SplitN(stage, "\n", 2)[0])
		image, target := first[0], first[len(first)-1]
		targets[target] = true
		if tag := image[strings.LastIndex(image, ":")+1:]; image != "scratch" && strings.Count(tag, ".") < 2 {
			t.Errorf("image %s is not pinned to an exact version", image)
		}
		user := stage[strings.LastIndex(stage, "\nUSER ")+1:]
		if target != "build" && (!strings.HasPrefix(user, "USER 1000") || strings.HasPrefix(user, "USER 0")) {
			t.Errorf("target %s does not run as a user of ours", target)
		}
	}
	for name, s := range project(t, "observability", "tools").Services {
		if s.Build != nil && !targets[s.Build.Target] {
			t.Errorf("%s is built from target %q, which the Dockerfile does not have", name, s.Build.Target)
		}
	}
	// What is copied is let through to the builder.
	ignore := string(read(t, ".dockerignore"))
	for _, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "COPY" || strings.HasPrefix(f[1], "--from") {
			continue
		}
		for _, source := range f[1 : len(f)-1] {
			if _, err := os.Stat(filepath.Join(root, source)); err != nil || !strings.Contains(ignore, "\n!"+strings.TrimPrefix(source, "./")+"\n") {
				t.Errorf("%s cannot be copied", source)
			}
		}
	}
}

// What a service knows of the log outlives its container, is its own, and does
// not lie with the log.
func TestComposeKeepsWhatIsKnownOfTheLog(t *testing.T) {
	t.Parallel()
	p := project(t)
	volumes := map[string]string{}
	for _, name := range []string{"orchestrator", "compliance", "dialer", "events-bridge"} {
		s := p.Services[name]
		dir := s.Environment["OUTDIAL_NATS_STATE"]
		if dir == nil {
			t.Fatalf("%s is not told where", name)
		}
		i := slices.IndexFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == *dir })
		if i < 0 || s.Volumes[i].Type != types.VolumeTypeVolume || s.Volumes[i].ReadOnly {
			t.Errorf("%s keeps it in its container", name)
			continue
		}
		if other, taken := volumes[s.Volumes[i].Source]; taken {
			t.Errorf("%s and %s share a volume", name, other)
		}
		volumes[s.Volumes[i].Source] = name
	}
	for _, v := range p.Services["nats"].Volumes {
		if name := volumes[v.Source]; name != "" {
			t.Errorf("%s keeps it beside the log", name)
		}
	}
	if !strings.Contains(string(read(t, "Dockerfile")), "--chown=10001:10001 /out/state /var/lib/outdial") {
		t.Error("a volume made by the image is not the services' own")
	}
}

// The negative controls: what these tests are for must make them fail.
func TestComposeMistakesAreSeen(t *testing.T) {
	t.Parallel()
	text := string(read(t, composeFile))
	swap := func(t *testing.T, old, new string) []byte {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("the compose file does not hold %q", old)
		}
		return []byte(strings.Replace(text, old, new, 1))
	}
	if _, err := compose(t, swap(t, "healthcheck:", "helthcheck:"), environment()); err == nil {
		t.Error("a mistyped key was accepted")
	}
	if _, err := compose(t, []byte(text), types.Mapping{}); err == nil {
		t.Error("a start without keys was accepted")
	}
	for says, tc := range map[string]struct{ service, old, new string }{
		"root":           {"valkey", "user: ${OUTDIAL_USER:?run deploy/nats/keys.sh}\n    command", "user: \"0:0\"\n    command"},
		"open port":      {"nats", `"127.0.0.1:4222:4222"`, `"4222:4222"`},
		"moving image":   {"grafana", "grafana/grafana:12.1.1", "grafana/grafana:latest"},
		"writable":       {"valkey", "read_only: true", "read_only: false"},
		"no examination": {"valkey", "test: [CMD-SHELL", "disable: true\n      test: [CMD-SHELL"},
	} {
		p, err := compose(t, swap(t, tc.old, tc.new), environment(), "observability")
		if err != nil {
			t.Errorf("%s: %v", says, err)
		} else if len(unsound(tc.service, p.Services[tc.service])) == 0 {
			t.Errorf("%s: not seen", says)
		}
	}
}

// Whoever opens Redis for the pace of providers alone can do nothing else there:
// the sessions are the orchestrator's.
func TestRedisLetsPaceBePaceAlone(t *testing.T) {
	t.Parallel()
	p := project(t, "tools")
	for name, want := range map[string]string{"orchestrator": "valkey_url", "operator": "valkey_url",
		"compliance": "valkey_pace_url", "dialer": "valkey_pace_url", "events-bridge": "valkey_pace_url", "provision": ""} {
		got := ""
		for _, s := range p.Services[name].Secrets {
			if strings.HasPrefix(s.Source, "valkey") {
				got += s.Source
			}
		}
		if file := p.Services[name].Environment["OUTDIAL_REDIS_URL_FILE"]; got != want || (file != nil) != (want != "") {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
	_, rule, ok := strings.Cut(string(read(t, "deploy", "nats", "keys.sh")), "'user pace on >%s ")
	rule, _, end := strings.Cut(rule, `\n'`)
	if !ok || !end {
		t.Fatal("keys.sh makes no such user")
	}
	url := redistest.Start(t)
	full, err := sessions.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	args := []any{"ACL", "SETUSER", "pace", "on", ">secret"}
	for word := range strings.FieldsSeq(rule) {
		args = append(args, word)
	}
	if err := full.Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	if err := full.Set(t.Context(), "outdial:{acme}:agent:ann", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	narrow, err := sessions.Dial(strings.Replace(url, "unix://", "unix://pace:secret@", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = narrow.Close() }()
	for _, class := range []pace.Class{pace.Dial, pace.Check, pace.Check} {
		if _, err := pace.NewRedis(narrow).Take(t.Context(), pace.Ask{Tenant: "acme", Connection: "tcn-main", Every: time.Second, Class: class}); err != nil {
			t.Errorf("class %d: %v", class, err)
		}
	}
	for _, forbidden := range [][]any{{"GET", "outdial:{acme}:agent:ann"}, {"EVAL", "return redis.call('DEL', KEYS[1])", 1, "outdial:{acme}:agent:ann"},
		{"HSET", "outdial:{acme}:hint:ann", "a", "b"}, {"FLUSHALL"}, {"KEYS", "*"}, {"CONFIG", "GET", "*"}, {"ACL", "LIST"}, {"INFO"}} {
		if err := narrow.Do(t.Context(), forbidden...).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%v: %v", forbidden, err)
		}
	}
}
