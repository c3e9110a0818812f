package door

import (
	"crypto/hmac"
	"crypto/sha1" // #nosec G505: some providers sign with it, and HMAC does not need collision resistance
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Credential is what somebody has to show at a door: one of the three. The
// zero value lets nobody in.
type Credential struct {
	Bearer         string // a token, as Authorization: Bearer
	User, Password string // as Authorization: Basic
	HMAC           HMAC   // a signature over the body
}

// An HMAC is how a sender signs what it posts.
type HMAC struct {
	Secret    string
	Header    string // that carries the signature
	Prefix    string // that stands before the signature, e.g. sha256=
	Algorithm string // one of Algorithms
	Encoding  string // one of Encodings
	// Timestamp names a header with the time of signing: Unix seconds or
	// milliseconds, or RFC 3339. What is signed is then its value, a full stop
	// and the body; what is further than Window from now is refused, in either
	// direction.
	Timestamp string
	Window    time.Duration
}

// Algorithms lists the hashes that a sender may sign with.
func Algorithms() []string { return []string{"sha256", "sha512", "sha1"} }

// Encodings lists how a signature may be written.
func Encodings() []string { return []string{"hex", "base64"} }

// Admits reports whether a request shows the credential. How long it takes does
// not tell how much of a secret agrees.
func (c Credential) Admits(h http.Header, body []byte, now time.Time) bool {
	switch {
	case c.Bearer != "":
		return Bearer(h, c.Bearer)
	case c.Password != "":
		return basic(h, c.User, c.Password)
	case c.HMAC.Secret != "":
		return c.HMAC.signed(h, body, now)
	}
	return false
}

// Same compares two secrets in constant time. An empty one agrees with nothing.
func Same(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && got != "" && want != ""
}

// Bearer reports whether a request brings a token.
func Bearer(h http.Header, token string) bool {
	scheme, got, _ := strings.Cut(single(h, "Authorization"), " ")
	return Same(got, token) && strings.EqualFold(scheme, "Bearer")
}

func basic(h http.Header, user, password string) bool {
	if single(h, "Authorization") == "" {
		return false
	}
	gotUser, gotPassword, ok := (&http.Request{Header: h}).BasicAuth()
	sameUser, samePassword := Same(gotUser, user), Same(gotPassword, password)
	return ok && sameUser && samePassword
}

// signed checks the signature over the body and, where one is configured, over
// the time of signing.
func (m HMAC) signed(h http.Header, body []byte, now time.Time) bool {
	said, found := strings.CutPrefix(single(h, m.Header), m.Prefix)
	got, ok := m.decode(said)
	if !found || !ok || hashes()[m.Algorithm] == nil {
		return false
	}
	mac := hmac.New(hashes()[m.Algorithm], []byte(m.Secret))
	if m.Timestamp != "" {
		stamp := single(h, m.Timestamp)
		at, ok := instant(stamp)
		if !ok || at.Sub(now).Abs() > m.Window {
			return false
		}
		mac.Write([]byte(stamp + "."))
	}
	mac.Write(body)
	return hmac.Equal(got, mac.Sum(nil))
}

func hashes() map[string]func() hash.Hash {
	return map[string]func() hash.Hash{"sha256": sha256.New, "sha512": sha512.New, "sha1": sha1.New}
}

// decode reads a signature; base64 as senders write it, with or without padding.
func (m HMAC) decode(s string) ([]byte, bool) {
	if m.Encoding == "hex" {
		b, err := hex.DecodeString(s)
		return b, err == nil
	}
	s = strings.TrimRight(s, "=")
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(s); err == nil {
			return b, true
		}
	}
	return nil, false
}

// instant reads a time of signing.
func instant(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n >= 1e11 { // as seconds this were the year 5138
			return time.UnixMilli(n), true
		}
		return time.Unix(n, 0), true
	}
	t, err := time.Parse(time.RFC3339, s)
	return t, err == nil
}

// single is a header's value, "" where there is none or more than one: two
// readers of such a request would see two.
func single(h http.Header, name string) string {
	if v := h.Values(name); len(v) == 1 {
		return v[0]
	}
	return ""
}
