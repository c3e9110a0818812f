package events

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

func short(sum []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum))[:26]
}

// CallID is the call's identity: lower-case base32 of
// sha256(tenant NUL source NUL id) of the request's CloudEvent, 26 characters.
func CallID(tenant, source, id string) string {
	sum := sha256.Sum256([]byte(tenant + "\x00" + source + "\x00" + id))
	return short(sum[:])
}

// EventID derives an event's id from its cause and its type, so that a second
// run of the same decision says the same thing.
func EventID(cause, typ, key string) string {
	sum := sha256.Sum256([]byte(cause + "\x00" + typ + "\x00" + key))
	return short(sum[:])
}

// RandomID is for dialing and preparing, which must never be mistaken for
// somebody else's.
func RandomID() string { return strings.ToLower(rand.Text()) }

// AgentToken is the agent's id where it fits a token, else a hash of it.
func AgentToken(agent string) string {
	if IsToken(agent) {
		return agent
	}
	sum := sha256.Sum256([]byte("agent\x00" + agent))
	return short(sum[:])
}

// A Key is a tenant's secret, 32 bytes. Numbers are tokenised and provider
// tokens sealed with it.
type Key []byte

// NewKey makes a random tenant key.
func NewKey() Key {
	k := make([]byte, 32)
	_, _ = rand.Read(k) // crypto/rand never fails since Go 1.24
	return k
}

// NumberToken is base32(HMAC-SHA256(tenant key, E.164)), 26 characters. What is
// not in canonical form (IsE164) has none: "", under which nothing can be stored
// or found, so that no other spelling of a number escapes its entry on a list.
func (k Key) NumberToken(e164 string) string {
	if !IsE164(e164) {
		return ""
	}
	return k.Digest([]byte(e164))
}

// Matcher reports of many numbers, quickly, whether a token is theirs.
func (k Key) Matcher(token string) func(e164 []byte) bool {
	want, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(token))
	if err != nil || len(want) != 16 { // of the 26 characters, the last holds two bits more
		return func([]byte) bool { return false }
	}
	m, sum := hmac.New(sha256.New, k), make([]byte, 0, sha256.Size)
	return func(e164 []byte) bool {
		m.Reset()
		m.Write(e164)
		return hmac.Equal(m.Sum(sum)[:len(want)], want)
	}
}

// Digest is a keyed digest that can be compared but not reversed by guessing.
func (k Key) Digest(b []byte) string {
	m := hmac.New(sha256.New, k)
	m.Write(b)
	return short(m.Sum(nil))
}

// Check is a value by which the key of a tenant is recognised: a keyed digest
// of a constant, which reveals nothing of the key and fits no other tenant.
func (k Key) Check(tenant string) string {
	return k.Digest([]byte("outdial key check v1\x00" + tenant))
}

// Checks reports whether this is the key of which check is the value.
func (k Key) Checks(tenant, check string) bool {
	return hmac.Equal([]byte(k.Check(tenant)), []byte(check))
}

// Number gives the showable form of a number.
func (k Key) Number(e164 string) Number {
	return Number{Token: k.NumberToken(e164), Masked: Mask(e164)}
}

// Mask keeps country code and last four digits: +1******1234. What does not
// parse keeps its last two digits at most.
func Mask(e164 string) string {
	n, err := phonenumbers.Parse(e164, "")
	digits := strings.TrimPrefix(e164, "+")
	if err != nil || len(digits) < 9 {
		if len(digits) < 6 {
			return "+****"
		}
		return "+****" + digits[len(digits)-2:]
	}
	cc := strconv.Itoa(int(n.GetCountryCode()))
	rest := len(digits) - len(cc) - 4
	if rest < 1 {
		return "+" + cc + "****"
	}
	return "+" + cc + strings.Repeat("*", rest) + digits[len(digits)-4:]
}

// Seal encrypts a provider token for the roster (AES-256-GCM under a key
// derived for this use). about binds the seal to its place, e.g. the agent.
func (k Key) Seal(secret, about string) (string, error) {
	g, err := k.gcm()
	if err != nil {
		return "", err
	}
	nonce := make([]byte, g.NonceSize())
	_, _ = rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(g.Seal(nonce, nonce, []byte(secret), []byte(about))), nil
}

// ErrSeal says that a sealed text was not made with this key for this place.
var ErrSeal = errors.New("sealed text cannot be opened with this key")

// Open reverses Seal.
func (k Key) Open(sealed, about string) (string, error) {
	g, err := k.gcm()
	if err != nil {
		return "", err
	}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(raw) < g.NonceSize() {
		return "", ErrSeal
	}
	plain, err := g.Open(nil, raw[:g.NonceSize()], raw[g.NonceSize():], []byte(about))
	if err != nil {
		return "", ErrSeal
	}
	return string(plain), nil
}

func (k Key) gcm() (cipher.AEAD, error) {
	sub, err := hkdf.Key(sha256.New, k, nil, "outdial seal v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sub)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
