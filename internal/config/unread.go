package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Variable is one of outdial's that is read by its name and is no setting.
type Variable struct{ Name, Help string }

// Variables are all of them. Whatever else begins with OUTDIAL_ is a setting's or
// a mistake; a test holds the list against the repository.
func Variables() []Variable {
	return []Variable{
		{"OUTDIAL_CONFIG", "The configuration file of a command without `-c`."},
		{"OUTDIAL_TENANT", "Whose calls `outdial call` and `outdial compliance` ask for, without `-t`."},
		{"OUTDIAL_REDIS_SERVER", "The `redis-server` that `outdial up`, `demo`, `bench` and the tests start; default: one that is found."},
		{"OUTDIAL_SIM_TOKEN", "The bearer token of the desktops of `outdial sim`, without `--token`."},
		{"OUTDIAL_DEMO_LOG", "Not empty: `outdial demo` writes the services' log to its standard error."},
		{"OUTDIAL_USER", "`docker-compose.yml`: as whom the containers run that read keys; `deploy/nats/keys.sh` writes it to `.env`."},
		{"OUTDIAL_VERSION", "`docker-compose.yml`: the tag of outdial's image; default `dev`."},
		{"OUTDIAL_LONG", "`make long` sets it: tests take more cases."},
		{"OUTDIAL_GOLDEN", "Tests: `write` writes the expected output anew."},
		{"OUTDIAL_SIM_CALLS", "Simulation: how many calls."},
		{"OUTDIAL_SIM_SEED", "Simulation: where the dice begin."},
		{"OUTDIAL_SIM_PART", "Simulation: the process is one of several; the test sets it."},
		{"OUTDIAL_BENCH_CALLS", "Benchmarks of `internal/log`: how many calls are kept."},
		{"OUTDIAL_BENCH_AS_PROGRAM", "Test of `outdial bench`: the process is one of its children; the test sets it."},
		{"OUTDIAL_CHAOS_SEED", "Chaos tests: where the dice begin."},
		{"OUTDIAL_CHAOS_STORE", "Chaos tests: the store of a child; the test sets it."},
		{"OUTDIAL_CHAOS_LISTEN", "Chaos tests: where a child listens; the test sets it."},
	}
}

// Kubernetes makes variables of each Service, so of one whose name begins with
// outdial too: OUTDIAL_SERVICE_HOST, OUTDIAL_NATS_PORT_4222_TCP_ADDR. Those that
// end with PORT alone are known by their value, for a person writes them as well.
var (
	serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	portLink    = regexp.MustCompile(`_PORT=(tcp|udp|sctp)://`)
)

// Unread says which variables of a whole environment (NAME=value) begin with
// OUTDIAL_ and are read by nothing, for commands that read no configuration. The
// variables of connections are left to those that do.
func Unread(environ []string, kinds Kinds) error {
	l := &loader{reader: reader{notes: newNotes(marks{file: "the environment"}), read: map[string]bool{}}, cfg: &Config{}}
	for _, f := range Fields(kinds) {
		l.read[f.Env], l.read[f.EnvFile] = true, true
	}
	l.checkUnread(slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		return strings.HasPrefix(v, EnvPrefix+"CONNECTIONS_")
	}))
	return l.err()
}

// checkUnread refuses variables that nothing has asked for.
func (l *loader) checkUnread(environ []string) {
	known := []string{}
	for _, v := range Variables() {
		l.read[v.Name] = true
	}
	for name := range maps.Keys(l.read) {
		if strings.HasPrefix(name, EnvPrefix) {
			known = append(known, name)
		}
	}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		link := serviceLink.MatchString(name) || portLink.MatchString(v)
		if !strings.HasPrefix(name, EnvPrefix) || value == "" || l.read[name] || link || l.refused(name) {
			continue
		}
		l.add(Fault{Place: cut(name), Says: "nothing reads this variable" + meant(name, known)})
	}
}

// refused says that a variable may be of a connection whose kind cannot be used,
// about which enough is said.
func (l *loader) refused(variable string) bool {
	for name, c := range l.cfg.Connections {
		if c.Section == nil && strings.HasPrefix(variable, envName("connections."+name+".")) {
			return true
		}
	}
	return false
}
