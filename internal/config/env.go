package config

import (
	"reflect"
	"strings"
	"unicode"
)

// envName makes OUTDIAL_CALLS_AGE of callsAge and OUTDIAL_NATS_URL of nats.url.
func envName(path string) string {
	var b strings.Builder
	b.WriteString(EnvPrefix)
	for i, c := range path {
		switch {
		case c == '.':
			b.WriteByte('_')
		case unicode.IsUpper(c) && i > 0:
			b.WriteByte('_')
			b.WriteRune(c)
		default:
			b.WriteRune(unicode.ToUpper(c))
		}
	}
	return b.String()
}

// overlay puts the environment over what stands in the file.
func (l *loader) overlay(path string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		at := child(path, name)
		switch t := f.Type; {
		case isSecret(f):
			l.overlaySecret(at, v.Field(i))
		case t.Kind() == reflect.Struct:
			l.overlay(at, v.Field(i))
		case t.Kind() == reflect.Map, t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.String:
		default:
			if s := l.getenv(envName(at)); s != "" {
				l.envs[at] = envName(at)
				if says := parse(s, v.Field(i)); says != "" {
					l.say(at, "%s", says)
				}
			}
		}
	}
}

// overlaySecret takes a secret from NAME, or from the file that NAME_FILE
// names. An address may hold a password if it comes this way.
func (l *loader) overlaySecret(at string, v reflect.Value) {
	name := envName(at)
	direct, file := l.getenv(name), l.getenv(name+"_FILE")
	switch {
	case direct != "" && file != "":
		l.envs[at] = name
		l.say(at, "and %s_FILE are both set; one is enough", name)
		return
	case direct == "" && file == "":
		return
	}
	s := Secret{Env: name}
	l.envs[at] = name
	if file != "" {
		s = Secret{File: file}
		l.envs[at] = name + "_FILE"
	}
	if _, ok := v.Interface().(Secret); ok {
		v.Set(reflect.ValueOf(s)) // read with the other secrets
		return
	}
	l.openHere(at, &s)
	v.SetString(s.Reveal())
}
