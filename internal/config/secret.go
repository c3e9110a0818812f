package config

import (
	"log/slog"
	"net/url"
	"strings"

	"github.com/outdial/outdial/pkg/providers"
)

// A Secret is a reference to a secret, {env: NAME} or {file: PATH}; sections of
// providers have them too.
type Secret = providers.Secret

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
