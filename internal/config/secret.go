package config

import (
	"log/slog"
	"net/url"
	"strings"
)

// A Secret is a reference to a secret, {env: NAME} or {file: PATH}, and after
// loading also what it refers to. Printed, logged or marshalled it shows the
// reference alone.
type Secret struct {
	Env  string `yaml:"env,omitempty"`
	File string `yaml:"file,omitempty"`

	// value is behind a pointer so that no formatting verb can reach it.
	value *string
}

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

// Private is an address that may hold a password. Printed, logged or
// marshalled it shows none.
type Private string

// Reveal returns the address with everything in it.
func (p Private) Reveal() string { return string(p) }

// String is the address without user and password.
func (p Private) String() string {
	parts := strings.Split(string(p), ",")
	for i, one := range parts {
		u, err := url.Parse(strings.TrimSpace(one))
		switch {
		case one == "":
		case err != nil || u.Opaque != "":
			parts[i] = "(not a URL)"
		default:
			u.User = nil
			if q := u.Query(); q.Has("password") {
				q.Del("password")
				u.RawQuery = q.Encode()
			}
			parts[i] = u.String()
		}
	}
	return strings.Join(parts, ",")
}

// GoString is as String.
func (p Private) GoString() string { return p.String() }

// LogValue is as String.
func (p Private) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText is as String.
func (p Private) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// private says that an address has what must not stand in a file in the clear.
func (p Private) private() bool {
	for one := range strings.SplitSeq(string(p), ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil {
			return strings.Contains(one, "@")
		}
		if u.User != nil || u.Query().Has("password") {
			return true
		}
	}
	return false
}
