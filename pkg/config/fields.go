package config

import (
	"os"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// EnvPrefix begins the name of every variable that overrides a setting.
const EnvPrefix = "OUTDIAL_"

// A Field is one setting, as the documentation prints it.
type Field struct {
	Path    string   // e.g. nats.listen or tenants.<name>.key
	Env     string   // variable that overrides it; "" below a name or a list
	EnvFile string   // variable that names a file with it; secrets alone
	Type    string   // text, duration, true/false, list, secret, address
	Default string   // as written in YAML; "" none
	Help    string   // what it means
	Kinds   []string // kinds of connection that have it; nil all
	Group   bool     // it holds settings and is none itself
}

// Fields lists every setting in the order of the definition, groups before
// their members.
func Fields(k Kinds) []Field {
	var out []Field
	list(k, "", reflect.TypeFor[Config](), true, &out)
	return out
}

func list(kinds Kinds, path string, t reflect.Type, fixed bool, out *[]Field) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		one := Field{Path: strings.TrimPrefix(path+"."+name, "."), Help: f.Tag.Get("help"), Default: f.Tag.Get("default")}
		if t == reflect.TypeFor[Connection]() && name != "kind" && name != "tenant" {
			one.Kinds = kinds.takes(name)
		}
		ft, below := f.Type, fixed
		switch {
		case ft.Kind() == reflect.Map && ft.Elem() != reflect.TypeFor[string]():
			one.Path, ft, below = one.Path+".<name>", ft.Elem(), false
		case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct:
			one.Path, ft, below = one.Path+"[]", ft.Elem(), false
		}
		one.Type = typeName(ft)
		one.Group = one.Type == ""
		if below && !one.Group {
			one.Env, one.EnvFile = envName(one.Path), ""
			if isSecret(f) {
				one.EnvFile = one.Env + "_FILE"
			}
		}
		*out = append(*out, one)
		if one.Group {
			list(kinds, one.Path, ft, below, out)
		}
	}
}

func isSecret(f reflect.StructField) bool {
	return f.Type == reflect.TypeFor[Secret]() || f.Tag.Get("secret") != ""
}

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Secret]():
		return "secret"
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Private]():
		return "address"
	}
	switch t.Kind() {
	case reflect.Struct:
		return ""
	case reflect.Bool:
		return "true/false"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "names and values"
	}
	return "text"
}

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

// setDefaults fills v from the tags, down to where names or lists begin.
func setDefaults(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if def, ok := f.Tag.Lookup("default"); ok {
			parse(def, v.Field(i))
		} else if f.IsExported() && f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[Secret]() {
			setDefaults(v.Field(i))
		}
	}
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
	l.open(at, &s)
	v.SetString(s.Reveal())
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
