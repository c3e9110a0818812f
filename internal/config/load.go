package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Options of a load. Kinds is required.
type Options struct {
	Kinds Kinds
	// Environ is the whole environment, NAME=value: variables of outdial's that
	// nothing reads are faults. nil looks for none.
	Environ []string
	// Dir is what relative paths in the configuration are relative to; empty
	// is the working directory of the process.
	Dir string
	// Listen is the default of http.listen for a service that runs on its own;
	// empty is the one of the definition.
	Listen string
	// ReadOnly makes no key: a missing one is a fault. For commands that only
	// look.
	ReadOnly bool
	// BeforeStart, with ReadOnly, takes no fault in a key that the first start
	// makes: the configuration then has one that nobody keeps, and a warning.
	BeforeStart bool
	// Provision makes a missing key also for a server elsewhere: for the one
	// command that prepares such a server, and after which services start.
	Provision bool
	// NoRoster leaves the agents' credentials alone: for whoever enrols nobody.
	NoRoster bool
	// UnsafeFsync accepts a nats.url without nats.monitor, and with it a
	// server that may lose what it acknowledged.
	UnsafeFsync bool
}

// A loader is one load under way.
type loader struct {
	reader
	Options
	cfg    *Config
	getenv func(string) string
}

// Load reads a configuration file and the environment over it. The error is a
// *Faults with everything that is wrong; then there is no configuration and
// nothing was made. An empty path reads the environment alone.
func Load(path string, getenv func(string) string, o Options) (*Config, error) {
	if path == "" {
		return Parse("", nil, getenv, o)
	}
	if _, says := regular(path); says != "" {
		return nil, &Faults{File: path, List: []Fault{{Says: says}}}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &Faults{File: path, List: []Fault{{Says: "cannot be read: " + why(err)}}}
	}
	return Parse(path, text, getenv, o)
}

// Parse is Load for a text; name is what faults call it.
func Parse(name string, text []byte, getenv func(string) string, o Options) (*Config, error) {
	cfg := &Config{kinds: o.Kinds}
	setDefaults(reflect.ValueOf(cfg).Elem())
	cfg.HTTP.Listen = cmp.Or(o.Listen, cfg.HTTP.Listen)
	l := &loader{
		reader:  reader{notes: newNotes(marks{file: name, lines: map[string]int{}, envs: map[string]string{}}), kinds: o.Kinds, later: map[string]bool{}, read: map[string]bool{}},
		Options: o, cfg: cfg,
	}
	l.getenv = func(name string) string {
		l.read[name] = true
		return getenv(name)
	}
	if !l.readYAML(text, cfg) {
		return nil, l.err()
	}
	l.clearText()
	l.overlay("", reflect.ValueOf(cfg).Elem())
	missing := l.check()
	l.checkUnread(o.Environ)
	if err := l.err(); err != nil {
		return nil, err
	}
	l.makeKeys(missing)
	l.sameKeys() // two names may lead to one file
	if err := l.err(); err != nil {
		return nil, err
	}
	l.resolve()
	cfg.Warnings = l.warnings
	return cfg, nil
}

// clearText refuses a password in an address that stands in the file.
func (l *loader) clearText() {
	for path, p := range map[string]Private{"nats.url": l.cfg.NATS.URL, "redis.url": l.cfg.Redis.URL} {
		if p.private() {
			l.say(path, "may not hold a user or password in the clear; set %s or %s_FILE", envName(path), envName(path))
		}
	}
}

// YAML prints the configuration as a file that loads to the same: secrets as
// references, addresses without their passwords.
func (c *Config) YAML() ([]byte, error) { return yaml.Marshal(c) }

// at is where a path of the configuration is.
func (l *loader) at(path string) string {
	if filepath.IsAbs(path) || l.Dir == "" {
		return path
	}
	return filepath.Join(l.Dir, path)
}

// resolve turns the paths that others will open into what they can open.
func (l *loader) resolve() {
	n := &l.cfg.NATS
	n.State = cmp.Or(n.State, filepath.Join(filepath.Dir(cmp.Or(n.Store, "data/nats")), "state"))
	for _, p := range []*string{&n.Store, &n.State, &n.Creds, &n.NKey, &n.TLS.CA, &n.TLS.Cert, &n.TLS.Key, &l.cfg.Rulesets.Dir} {
		if *p != "" {
			*p = l.at(*p)
		}
	}
}

var envShape = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// maxSecret bounds a secret, in bytes.
const maxSecret = 16 << 10

// open reads what a secret refers to. False says that its file does not
// exist, which the caller judges; every other fault is noted here.
func (l *loader) open(path string, s *Secret) bool {
	text := ""
	switch {
	case s.Env != "" && !envShape.MatchString(s.Env):
		l.say(path, "wants the name of an environment variable")
		return true
	case s.Env != "":
		if text = strings.TrimSpace(l.getenv(s.Env)); text == "" {
			l.say(path, "the environment variable %s is not set", cut(s.Env))
			return true
		}
	case s.File != "":
		var says string
		if text, says = l.secretFile(path, s.File); says == missingFile {
			return false
		} else if says != "" {
			l.say(path, "%s", says)
			return true
		}
	default:
		return true
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		l.say(path, "holds line breaks or control characters, so it cannot be the secret")
		return true
	}
	*s = s.Opened(text)
	return true
}

const missingFile = "there is no such file"

// secretFile reads a secret and looks at who else could.
func (l *loader) secretFile(path, file string) (text, says string) {
	info, says := regular(l.at(file))
	switch {
	case says != "":
		return "", says
	case info.Size() > maxSecret:
		return "", fmt.Sprintf("the file is longer than %d bytes", maxSecret)
	}
	b, err := os.ReadFile(l.at(file))
	if err != nil {
		return "", "the file cannot be read: " + why(err)
	}
	l.permissions(path, info)
	if text = strings.TrimSpace(string(b)); text == "" {
		return "", "the file is empty"
	}
	return text, ""
}

// regular says whether there is a file that can be read without waiting.
func regular(path string) (os.FileInfo, string) {
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return nil, missingFile
	case err != nil:
		return nil, "the file cannot be looked at"
	case !info.Mode().IsRegular():
		return nil, "is not a file"
	}
	return info, ""
}

// permissions warns of a secret that more than its owner and group can read.
func (l *loader) permissions(path string, info os.FileInfo) {
	if mode := info.Mode().Perm(); mode&^0o640 != 0 {
		l.warn(path, "the file's permissions are %04o, wider than 0640; chmod 600 it", mode)
	}
}

// why is an error of the file system without the path, which may be anything.
func why(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return "an error of the file system"
}
