package config

import (
	"reflect"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/providers"
)

// EnvPrefix begins the name of every variable that overrides a setting.
const EnvPrefix = "OUTDIAL_"

// A Field is one setting, as the documentation prints it.
type Field struct {
	Path    string             // e.g. nats.listen or tenants.<name>.key
	Env     string             // variable that overrides it; "" below a name or a list
	EnvFile string             // variable that names a file with it; secrets alone
	Type    string             // text, number, size, duration, true/false, list, secret, address
	Default string             // as written in YAML; "" none
	Help    string             // what it means
	Of      *providers.Product // whose section has it; nil not in one
	Group   bool               // it holds settings and is none itself
}

// Fields lists every setting in the order of the definition, groups before
// their members; the sections of the providers follow what every connection has.
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
		ft, below := f.Type, fixed
		switch {
		case ft.Kind() == reflect.Map && ft.Elem() != reflect.TypeFor[string]():
			one.Path, ft, below = one.Path+".<name>", ft.Elem(), ft.Elem() == reflect.TypeFor[Connection]()
		case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct:
			one.Path, ft, below = one.Path+"[]", ft.Elem(), false
		}
		one.Type = typeName(ft)
		one.Group = one.Type == ""
		if below && !one.Group && ft.Kind() != reflect.Map && f.Tag.Get("env") != "-" {
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
	if t == reflect.TypeFor[Connection]() {
		sections(kinds, path, out)
	}
}

// sections lists what each provider has of its own.
func sections(kinds Kinds, path string, out *[]Field) {
	for _, p := range kinds.Built() {
		begin := len(*out)
		*out = append(*out, Field{Path: path, Group: true})
		list(nil, path, section(p.Section()).Type(), true, out)
		for i := range (*out)[begin:] {
			(*out)[begin+i].Of = &p
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
	case reflect.TypeFor[Size]():
		return "size"
	}
	switch t.Kind() {
	case reflect.Struct:
		return ""
	case reflect.Bool:
		return "true/false"
	case reflect.Int:
		return "number"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "names and values"
	}
	return "text"
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

// OrDefault is a group of settings with the defaults of those that are zero, for
// whoever is not told by a file.
func OrDefault[T any](of T) T {
	var defaults T
	v, d := reflect.ValueOf(&of).Elem(), reflect.ValueOf(&defaults).Elem()
	setDefaults(d)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			v.Field(i).Set(d.Field(i))
		}
	}
	return of
}
