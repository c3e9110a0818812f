package config

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/outdial/outdial/pkg/providers"
)

// maxFile bounds a configuration, in bytes.
const maxFile = 1 << 20

// A reader takes YAML into the structs, strictly. The YAML library alone would
// stop at the first fault and name Go types in it.
type reader struct {
	*notes
	kinds Kinds
	// later are the paths of connections without a kind that can be used: they
	// are refused once, and not again wherever they are referred to.
	later map[string]bool
	read  map[string]bool // variables that were asked for, or stand in a reference
}

// readYAML reads a whole file into cfg. False says that it is no YAML that one
// could read settings from.
func (r *reader) readYAML(text []byte, cfg *Config) bool {
	if len(text) > maxFile {
		r.say("", "is longer than %d bytes", maxFile)
		return false
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return true // empty: what is required is missed later
	case err != nil:
		r.syntax(err)
		return false
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		r.add(Fault{Line: more.Line, Says: "a second document begins here; there may be one"})
		return false
	}
	root := doc.Content[0]
	r.value("", root, reflect.ValueOf(cfg).Elem())
	return root.Kind == yaml.MappingNode || root.Tag == "!!null"
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax keeps the library's words, less those that quote the file.
func (r *reader) syntax(err error) {
	f := Fault{Says: "is not YAML"}
	if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
		f.Line, _ = strconv.Atoi(m[1])
		switch {
		case strings.HasPrefix(m[2], "unknown anchor"):
			f.Says += ": an alias (*name) stands without its anchor (&name)"
		case !strings.ContainsAny(m[2], "'\"`"):
			f.Says += ": " + m[2]
		}
	}
	r.add(f)
}

// value reads one node into v, which has one of the types the structs use.
func (r *reader) value(path string, n *yaml.Node, v reflect.Value) {
	n = meantNode(n)
	if path != "" {
		r.lines[path] = n.Line
	}
	switch v.Interface().(type) {
	case Secret:
		r.secret(path, n, v)
		return
	case time.Duration:
		r.scalar(path, n, v)
		return
	case Connection:
		r.connection(path, n, v)
		return
	}
	empty := n.Kind == yaml.ScalarNode && n.Tag == "!!null"
	switch v.Kind() {
	case reflect.Struct:
		if !empty && r.want(path, n, yaml.MappingNode) {
			r.fields(path, n, settings(v), nil)
		}
	case reflect.Map:
		if !empty && r.want(path, n, yaml.MappingNode) {
			r.mapping(path, n, v)
		}
	case reflect.Slice:
		if empty || !r.want(path, n, yaml.SequenceNode) {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, e := range n.Content {
			r.value(item(path, i), e, v.Index(i))
		}
	default:
		r.scalar(path, n, v)
	}
}

// meantNode follows an alias. Aliases cannot go round in circles here: the
// structs are only so deep.
func meantNode(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func (r *reader) want(path string, n *yaml.Node, kind yaml.Kind) bool {
	if n.Kind == kind {
		return true
	}
	r.say(path, "wants %s", map[yaml.Kind]string{
		yaml.MappingNode: "settings, name: value", yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value",
	}[kind])
	return false
}

// pairs walks a mapping and refuses a key that stands twice: YAML libraries
// differ in which of the two they believe.
func (r *reader) pairs(path string, n *yaml.Node, each func(key string, k, v *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := meantNode(n.Content[i])
		at := child(path, k.Value)
		switch first, twice := seen[k.Value], seen[k.Value] > 0; {
		case k.Kind != yaml.ScalarNode || k.Tag == "!!null":
			r.add(Fault{Place: path, Line: k.Line, Says: "a name must be a single word"})
		case k.Tag == "!!merge":
			r.add(Fault{Place: path, Line: k.Line, Says: "merging with << is not supported; write the settings out"})
		case twice:
			r.add(Fault{Place: at, Line: k.Line, Says: "stands twice, first on line " + strconv.Itoa(first)})
		default:
			seen[k.Value] = k.Line
			each(k.Value, k, n.Content[i+1])
		}
	}
}

// fields reads the settings that a mapping may have here. other says what is
// wrong with a name that is none of them; nil or "": it is no setting at all.
func (r *reader) fields(path string, n *yaml.Node, known map[string]reflect.Value, other func(key string) string) {
	r.pairs(path, n, func(key string, k, value *yaml.Node) {
		if v, ok := known[key]; ok {
			r.value(child(path, key), value, v)
			return
		}
		says := ""
		if other != nil {
			says = other(key)
		}
		if says == "" {
			says = "is not a setting" + meant(key, slices.Sorted(maps.Keys(known)))
			r.misspelt[path] = true
		}
		r.add(Fault{Place: child(path, key), Line: k.Line, Says: says})
	})
}

func (r *reader) mapping(path string, n *yaml.Node, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	r.pairs(path, n, func(key string, _, value *yaml.Node) {
		e := reflect.New(v.Type().Elem()).Elem()
		r.value(child(path, key), value, e)
		v.SetMapIndex(reflect.ValueOf(key), e)
	})
}

// connection looks at the kind first: it decides which settings there are.
func (r *reader) connection(path string, n *yaml.Node, v reflect.Value) {
	if !r.want(path, n, yaml.MappingNode) {
		return
	}
	name, at := "", path
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := meantNode(n.Content[i+1]); n.Content[i].Value == "kind" && k.Kind == yaml.ScalarNode {
			name, at = k.Value, child(path, "kind")
			r.lines[at] = k.Line
			break
		}
	}
	product, known := r.kinds.of(name)
	built := strings.Join(r.kinds.Names(), ", ")
	switch {
	case name == "":
		r.say(path, "has no kind; built are %s", built)
	case !known:
		r.say(at, "kind %q is not known; built are %s%s", cut(name), built, meant(name, r.kinds.Names()))
	case product.Section == nil:
		r.say(at, "kind %s is not built yet; remove connection %s or wait for a release that has it; built are %s",
			name, strings.TrimPrefix(path, "connections."), built)
	default:
		r.configured(path, n, v, product)
		return
	}
	r.later[path] = true
}

// configured reads a connection of a known kind: the settings of every kind, and
// those of the provider's section.
func (r *reader) configured(path string, n *yaml.Node, v reflect.Value, product providers.Product) {
	c := Connection{Section: product.Section(), product: product}
	setDefaults(section(c.Section))
	v.Set(reflect.ValueOf(c))
	all := settings(v)
	maps.Copy(all, settings(section(c.Section)))
	all[otherRate] = all["perSecond"]
	r.fields(path, n, all, func(key string) string {
		if takes := r.kinds.takes(key); len(takes) > 0 {
			return "is not for this kind, but for " + strings.Join(takes, ", ")
		}
		return ""
	})
	if at := child(path, otherRate); r.lines[at] > 0 && r.lines[child(path, "perSecond")] > 0 {
		r.say(at, "is perSecond by another name; one of the two is enough")
	}
}

// otherRate is another name of a connection's perSecond.
const otherRate = "ratePerSecond"

// secret reads a reference. A secret in the clear is refused, and not repeated.
func (r *reader) secret(path string, n *yaml.Node, v reflect.Value) {
	const how = "write {env: NAME} or {file: PATH}"
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		r.say(path, "has no value; %s", how)
	case n.Kind != yaml.MappingNode:
		r.say(path, "a secret may not stand here in the clear; %s", how)
	default:
		before := len(r.faults)
		r.fields(path, n, settings(v), nil)
		s := v.Interface().(Secret)
		r.read[s.Env] = true
		if len(r.faults) == before && (s.Env == "") == (s.File == "") {
			r.say(path, "wants one of the two; %s", how)
		}
	}
}

func (r *reader) scalar(path string, n *yaml.Node, v reflect.Value) {
	if !r.want(path, n, yaml.ScalarNode) {
		return
	}
	text := v.Kind() == reflect.String
	switch {
	case n.Tag == "!!null":
		r.say(path, "has no value; remove it for the default")
	case text && n.Tag != "!!str":
		r.say(path, "is not a text to YAML; put it in quotes")
	default:
		if says := parse(n.Value, v); says != "" {
			r.say(path, "%s", says)
		}
	}
}

// parse reads a text from the file or the environment into v and says what is
// wrong with it.
func parse(s string, v reflect.Value) string {
	if _, ok := v.Interface().(time.Duration); ok {
		d, err := time.ParseDuration(s)
		if err != nil {
			return "wants a duration such as 30s, 5m or 72h"
		}
		v.SetInt(int64(d))
		return ""
	}
	if _, ok := v.Interface().(Size); ok {
		n, ok := parseSize(s)
		if !ok {
			return "wants a size such as 512MiB or 16GiB"
		}
		v.SetInt(int64(n))
		return ""
	}
	switch v.Kind() {
	case reflect.Int:
		n, err := strconv.Atoi(s)
		if err != nil {
			return "wants a whole number"
		}
		v.SetInt(int64(n))
	case reflect.Bool:
		if s != "true" && s != "false" {
			return "wants true or false"
		}
		v.SetBool(s == "true")
	case reflect.String:
		v.SetString(s)
	case reflect.Slice:
		var list []string
		for one := range strings.SplitSeq(s, ",") {
			if one = strings.TrimSpace(one); one != "" {
				list = append(list, one)
			}
		}
		v.Set(reflect.ValueOf(list))
	}
	return ""
}

// settings gives each setting of a struct by its YAML name.
func settings(v reflect.Value) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			out[name] = v.Field(i)
		}
	}
	return out
}
