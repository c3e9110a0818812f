package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/outdial/outdial/pkg/events"
)

// Getenv reads one variable of a whole environment, of two of a name the first.
func Getenv(environ []string) func(string) string {
	vars := map[string]string{}
	for _, v := range slices.Backward(environ) {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	return func(name string) string { return vars[name] }
}

// envName makes OUTDIAL_CALLS_AGE of callsAge, OUTDIAL_NATS_URL of nats.url and
// OUTDIAL_CONNECTIONS_TCN_MAIN_BASE_URL of connections.tcn-main.baseURL.
func envName(path string) string {
	if rest, ok := strings.CutPrefix(path, "connections."); ok {
		name, setting, _ := strings.Cut(rest, ".")
		path = "connections." + strings.ToLower(strings.ReplaceAll(name, "-", "_")) + "." + setting
	}
	var b strings.Builder
	b.WriteString(EnvPrefix)
	before := '.'
	for _, c := range path {
		switch {
		case c == '.':
			b.WriteByte('_')
		case unicode.IsUpper(c) && !unicode.IsUpper(before) && before != '.':
			b.WriteByte('_')
			fallthrough
		default:
			b.WriteRune(unicode.ToUpper(c))
		}
		before = c
	}
	return b.String()
}

// overlay puts the environment over what stands in the file.
func (l *loader) overlay(path string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" || f.Tag.Get("env") == "-" {
			continue
		}
		at := child(path, name)
		switch t := f.Type; {
		case at == "connections":
			l.overlayConnections()
		case isSecret(f):
			l.overlaySecret(at, v.Field(i))
		case t.Kind() == reflect.Struct:
			l.overlay(at, v.Field(i))
		case t.Kind() == reflect.Map, t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.String:
		default:
			if s := l.getenv(envName(at)); s != "" {
				l.overrides(at, envName(at))
				if says := parse(s, v.Field(i)); says != "" {
					l.say(at, "%s", says)
				}
			}
		}
	}
}

// overlayConnections puts the environment over the settings of each connection
// but its kind, by which the file was read.
func (l *loader) overlayConnections() {
	for _, name := range slices.Sorted(maps.Keys(l.cfg.Connections)) {
		c, path := l.cfg.Connections[name], child("connections", name)
		if c.Section == nil || !events.IsToken(name) {
			continue
		}
		l.overlay(path, reflect.ValueOf(&c).Elem())
		l.overlay(path, section(c.Section))
		l.cfg.Connections[name] = c
	}
}

// overrides notes that a variable is over a setting. Names of connections that
// are spelled alike in capitals share their variables, and nobody could say whose
// one of them is.
func (l *loader) overrides(at, env string) {
	for other, by := range l.envs {
		if by == env && other != at {
			l.judge(other, "is the variable of %s too; give one of the two connections another name", at)
		}
	}
	l.envs[at] = env
}

// overlaySecret takes a secret from NAME, or from the file that NAME_FILE
// names. An address may hold a password if it comes this way.
func (l *loader) overlaySecret(at string, v reflect.Value) {
	name := envName(at)
	direct, file := l.getenv(name), l.getenv(name+"_FILE")
	switch {
	case direct != "" && file != "":
		l.overrides(at, name)
		l.say(at, "and %s_FILE are both set; one is enough", name)
		return
	case direct == "" && file == "":
		return
	}
	s := Secret{Env: name}
	if file != "" {
		s, name = Secret{File: file}, name+"_FILE"
	}
	l.overrides(at, name)
	if _, ok := v.Interface().(Secret); ok {
		v.Set(reflect.ValueOf(s)) // read with the other secrets
		return
	}
	l.openHere(at, &s)
	v.SetString(s.Reveal())
}
