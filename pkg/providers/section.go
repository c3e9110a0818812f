package providers

import (
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/outdial/outdial/pkg/events"
)

// A Product is a provider's line in the registry: what is known of every
// connection of its kind before one is configured.
type Product struct {
	Kind       Kind
	Can        Capabilities   // what each of its connections can
	Operations []string       // names under paths, for who reads the documentation
	Desktops   Desktops       // what it is reached by where it has no address; nil: it has one
	Section    func() Section // a new, empty one; nil: the name is taken, and nothing is built yet
	Words      []Vocabulary   // what it says of calls, for who reads the documentation
}

// Build makes the provider of a connection with these settings.
func (p Product) Build(s Section, d Deps) (Provider, error) {
	made, err := s.Build(d)
	made.Kind, made.Can = p.Kind, p.Can
	return made, err
}

// A Vocabulary is a provider's words and what they say; callstate has it.
type Vocabulary interface {
	// Words are all of them, as the provider spells them.
	Words() []string
	// Said is what a word says of a call.
	Said(word string, v View) []Observation
}

// A Section is a provider's own part of a connection in the configuration: a
// pointer to a struct whose fields are settings. The tag yaml is a setting's
// name, default its default, help what the printed documentation says of it.
// A field is a string, bool, int, time.Duration, list or map of strings, or a
// Secret; one without the tag is no setting. A Secret has been opened when Check
// is called, and no duration is negative.
type Section interface {
	// Check returns everything that is wrong with the settings.
	Check() []Mistake
	// Address is the base URL under which the provider is asked; "" where it is
	// reached by way of agents' desktops alone. By it outdial knows whether calls
	// of the connection can reach people.
	Address() string
	// Build makes the parts of the connection's provider. It connects to nothing.
	Build(Deps) (Provider, error)
}

// Deps are what a provider needs and no file can hold.
type Deps struct {
	Now        func() time.Time // default time.Now
	Desktop    Desktop          // carries requests to desktops; required by desktop kinds where calls are started
	HomeRegion string           // ISO region of the tenant's first country
	Tracer     trace.Tracer     // nil: no spans
}

// A Mistake is one thing that is wrong with a section. It never repeats a value,
// which may be a secret or a number.
type Mistake struct {
	At     []string // the setting, and below it the key of a map
	Says   string
	Absent bool // the setting is required and not there; Says is why it is needed
}

// Missing is the mistake of a section without a setting that it needs.
func Missing(setting, says string) Mistake {
	return Mistake{At: []string{setting}, Says: says, Absent: true}
}

// CheckAPI is what is wrong with the settings baseURL and paths of a provider
// that is asked under an address; the URL is required.
func CheckAPI(kind Kind, baseURL string, paths map[string]string, operations []string) []Mistake {
	var out []Mistake
	if baseURL == "" {
		out = append(out, Missing("baseURL", "kind "+string(kind)+" needs it"))
	} else if says := WrongURL(baseURL); says != "" {
		out = append(out, Mistake{At: []string{"baseURL"}, Says: says})
	}
	for op, path := range paths {
		u, err := url.Parse(path)
		says := ""
		switch {
		case !slices.Contains(operations, op):
			says = "is not an operation; there are " + strings.Join(operations, ", ")
			if like := events.Nearest(op, operations); like != "" && len(op) <= 64 {
				says += "; did you mean " + like + "?"
			}
		case err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") ||
			u.RawQuery != "" || u.ForceQuery || strings.Contains(path, "#"):
			says = "is not a path such as /api/v1/" + op + ", without query or fragment"
		default:
			continue
		}
		out = append(out, Mistake{At: []string{"paths", op}, Says: says})
	}
	return out
}

// WrongURL says what is wrong with a base URL, without repeating it; "" nothing.
func WrongURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return "is not a URL such as https://api.example.com"
	case u.Scheme != "http" && u.Scheme != "https":
		return "wants http:// or https://"
	case u.User != nil:
		return "may not hold a user or password"
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return "may not hold a query or fragment"
	}
	return WrongPort(u.Port())
}

// WrongPort says what is wrong with a port that may be left out.
func WrongPort(port string) string {
	if p, err := strconv.Atoi(port); port != "" && (err != nil || p < 0 || p > 65535) {
		return "has a port that is none"
	}
	return ""
}

// A Secret is a reference to a secret, {env: NAME} or {file: PATH}, and after
// loading also what it refers to. Printed, logged or marshalled it shows the
// reference alone.
type Secret struct {
	Env  string `yaml:"env,omitempty"`
	File string `yaml:"file,omitempty"`

	// value is behind a pointer so that no formatting verb can reach it.
	value *string
}

// Opened is the secret with what it refers to.
func (s Secret) Opened(value string) Secret {
	s.value = &value
	return s
}

// IsOpen says that what it refers to is known.
func (s Secret) IsOpen() bool { return s.value != nil }

// IsZero says that no secret is configured.
func (s Secret) IsZero() bool { return s.Env == "" && s.File == "" }

// Reveal returns the secret itself, "" when none is configured.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String shows the reference.
func (s Secret) String() string {
	switch {
	case s.Env != "":
		return "{env: " + s.Env + "}"
	case s.File != "":
		return "{file: " + s.File + "}"
	}
	return "{}"
}

// GoString shows the reference.
func (s Secret) GoString() string { return s.String() }

// LogValue shows the reference.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
