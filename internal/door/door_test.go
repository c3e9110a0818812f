package door

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// from is a request from an address, with headers.
func from(addr string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/", nil)
	r.RemoteAddr = addr
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	return r
}

func TestWhoIsOnThisMachine(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		r    *http.Request
		want bool
	}{
		"this machine":                     {from("127.0.0.1:9"), true},
		"this machine by IPv6":             {from("[::1]:9", "Host", "[::1]:8080"), true},
		"this machine, mapped":             {from("[::ffff:127.0.0.1]:9", "Host", "LOCALHOST"), true},
		"another address of it":            {from("127.8.8.8:9", "Host", "127.0.0.1"), true},
		"another machine":                  {from("192.0.2.7:9"), false},
		"another machine by IPv6":          {from("[2001:db8::7]:9"), false},
		"no address":                       {from(""), false},
		"under a name elsewhere":           {from("127.0.0.1:9", "Host", "evil.example.com"), false},
		"under a name that looks like one": {from("127.0.0.1:9", "Host", "127.0.0.1.nip.io:8080"), false},
		"under no name":                    {from("127.0.0.1:9", "Host", ""), false},
		"a proxy on this machine":          {from("127.0.0.1:9", "X-Forwarded-For", "192.0.2.7"), false},
		"a proxy that hides its client":    {from("127.0.0.1:9", "X-Forwarded-For", ""), false},
		"a proxy that says Forwarded":      {from("127.0.0.1:9", "Forwarded", "for=192.0.2.7"), false},
		"a proxy that says the host alone": {from("127.0.0.1:9", "X-Forwarded-Host", "bridge.example.com"), false},
		"a proxy that says Via":            {from("127.0.0.1:9", "Via", "1.1 gate"), false},
		"nginx":                            {from("127.0.0.1:9", "X-Real-IP", "192.0.2.7"), false},
		"a gateway in a cloud":             {from("127.0.0.1:9", "CF-Connecting-IP", "192.0.2.7"), false},
	} {
		if got := ThisMachine(tc.r); got != tc.want {
			t.Errorf("%s: %v", story, got)
		}
	}
}

func TestATokenAndAUser(t *testing.T) {
	t.Parallel()
	token, user := Credential{Bearer: "t0ken"}, Credential{User: "gate", Password: "p:w"}
	basic := func(s string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(s))}
	}
	for story, tc := range map[string]struct {
		c    Credential
		with []string
		want bool
	}{
		"the token":                        {token, []string{"Authorization", "Bearer t0ken"}, true},
		"the scheme in small letters":      {token, []string{"Authorization", "bearer t0ken"}, true},
		"no token":                         {token, nil, false},
		"another token":                    {token, []string{"Authorization", "Bearer t0keN"}, false},
		"the token and more":               {token, []string{"Authorization", "Bearer t0ken "}, false},
		"the token without its scheme":     {token, []string{"Authorization", "t0ken"}, false},
		"the token twice":                  {token, []string{"Authorization", "Bearer t0ken", "Authorization", "Bearer t0ken"}, false},
		"the token as a user":              {token, basic("t0ken:"), false},
		"an empty token where one is":      {token, []string{"Authorization", "Bearer "}, false},
		"an empty token where none is":     {Credential{}, []string{"Authorization", "Bearer "}, false},
		"anything where nothing is":        {Credential{}, []string{"Authorization", "Bearer x"}, false},
		"user and password with a colon":   {user, basic("gate:p:w"), true},
		"another password":                 {user, basic("gate:p:"), false},
		"another user":                     {user, basic("gat:p:w"), false},
		"no password":                      {user, basic("gate"), false},
		"neither":                          {user, basic(":"), false},
		"the password as a token":          {user, []string{"Authorization", "Bearer p:w"}, false},
		"what is not base64":               {user, []string{"Authorization", "Basic gate:p:w"}, false},
		"user and password are both right": {Credential{User: "", Password: "p"}, basic(":p"), false},
	} {
		if got := tc.c.Admits(from("", tc.with...).Header, nil, time.Time{}); got != tc.want {
			t.Errorf("%s: %v", story, got)
		}
	}
}

func sign(h func() hash.Hash, secret, text string) []byte {
	m := hmac.New(h, []byte(secret))
	m.Write([]byte(text))
	return m.Sum(nil)
}

func TestASignatureIsOverTheBody(t *testing.T) {
	t.Parallel()
	const body, secret = `{"x":1}`, "s3cret"
	hexed := func(b []byte) string { return hex.EncodeToString(b) }
	good := sign(sha256.New, secret, body)
	plain := HMAC{Secret: secret, Header: "X-Signature", Algorithm: "sha256", Encoding: "hex"}
	with := func(change func(m *HMAC)) HMAC { m := plain; change(&m); return m }
	prefixed := with(func(m *HMAC) { m.Prefix = "sha256=" })
	based := with(func(m *HMAC) { m.Encoding = "base64" })
	for story, tc := range map[string]struct {
		m    HMAC
		body string
		with []string
		want bool
	}{
		"right":                         {plain, body, []string{"X-Signature", hexed(good)}, true},
		"right, whatever the case":      {plain, body, []string{"x-signature", "" + hexed(good)}, true},
		"another body":                  {plain, body + " ", []string{"X-Signature", hexed(good)}, false},
		"another secret":                {plain, body, []string{"X-Signature", hexed(sign(sha256.New, "other", body))}, false},
		"no secret":                     {plain, body, []string{"X-Signature", hexed(sign(sha256.New, "", body))}, false},
		"a plain hash":                  {plain, body, []string{"X-Signature", func() string { s := sha256.Sum256([]byte(body)); return hexed(s[:]) }()}, false},
		"half of it":                    {plain, body, []string{"X-Signature", hexed(good[:16])}, false},
		"nothing":                       {plain, body, nil, false},
		"an empty one":                  {plain, body, []string{"X-Signature", ""}, false},
		"no hex":                        {plain, body, []string{"X-Signature", "zz"}, false},
		"two, the first right":          {plain, body, []string{"X-Signature", hexed(good), "X-Signature", "00"}, false},
		"in another header":             {plain, body, []string{"X-Other", hexed(good)}, false},
		"with a prefix":                 {prefixed, body, []string{"X-Signature", "sha256=" + hexed(good)}, true},
		"without the prefix":            {prefixed, body, []string{"X-Signature", hexed(good)}, false},
		"with another prefix":           {prefixed, body, []string{"X-Signature", "sha1=" + hexed(good)}, false},
		"base64":                        {based, body, []string{"X-Signature", base64.StdEncoding.EncodeToString(good)}, true},
		"base64 without padding":        {based, body, []string{"X-Signature", base64.RawStdEncoding.EncodeToString(good)}, true},
		"base64 for URLs":               {based, body, []string{"X-Signature", base64.URLEncoding.EncodeToString(good)}, true},
		"hex where base64 is agreed on": {based, body, []string{"X-Signature", hexed(good)}, false},
		"sha512":                        {with(func(m *HMAC) { m.Algorithm = "sha512" }), body, []string{"X-Signature", hexed(sign(sha512.New, secret, body))}, true},
		"sha1":                          {with(func(m *HMAC) { m.Algorithm = "sha1" }), body, []string{"X-Signature", hexed(sign(sha1.New, secret, body))}, true},
		"sha1 where sha256 is agreed":   {plain, body, []string{"X-Signature", hexed(sign(sha1.New, secret, body))}, false},
		"a hash that nobody knows":      {with(func(m *HMAC) { m.Algorithm = "md5" }), body, []string{"X-Signature", hexed(good)}, false},
	} {
		if got := (Credential{HMAC: tc.m}).Admits(from("", tc.with...).Header, []byte(tc.body), time.Now()); got != tc.want {
			t.Errorf("%s: %v", story, got)
		}
	}
}

func TestASignatureGrowsOld(t *testing.T) {
	t.Parallel()
	const body, secret = `{"x":1}`, "s3cret"
	now := time.Unix(1_795_000_000, 0)
	m := HMAC{Secret: secret, Header: "X-Signature", Algorithm: "sha256", Encoding: "hex", Timestamp: "X-Time", Window: 2 * time.Minute}
	unix := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	for story, tc := range map[string]struct {
		stamp, signed string // signed is what was signed, "" the right text
		want          bool
	}{
		"now":                                {unix(0), "", true},
		"at the edge":                        {unix(-2 * time.Minute), "", true},
		"too old":                            {unix(-2*time.Minute - time.Second), "", false},
		"from the future":                    {unix(2*time.Minute + time.Second), "", false},
		"milliseconds":                       {strconv.FormatInt(now.UnixMilli(), 10), "", true},
		"old milliseconds":                   {strconv.FormatInt(now.Add(-time.Hour).UnixMilli(), 10), "", false},
		"RFC 3339":                           {now.UTC().Format(time.RFC3339), "", true},
		"an old text":                        {now.Add(-time.Hour).UTC().Format(time.RFC3339), "", false},
		"no time":                            {"", "", false},
		"no time that one can read":          {"yesterday", "", false},
		"a fresh time over an old signature": {unix(0), unix(-time.Hour) + "." + body, false},
		"a signature over the body alone":    {unix(0), body, false},
		"an endless number":                  {"99999999999999999999", "", false},
		"the smallest number":                {"-9223372036854775808", "", false},
		"the largest number":                 {"9223372036854775807", "", false},
	} {
		text := tc.signed
		if text == "" {
			text = tc.stamp + "." + body
		}
		h := from("", "X-Time", tc.stamp, "X-Signature", hex.EncodeToString(sign(sha256.New, secret, text))).Header
		if got := (Credential{HMAC: m}).Admits(h, []byte(body), now); got != tc.want {
			t.Errorf("%s: %v", story, got)
		}
	}
}

// FuzzAdmits: whatever comes, nobody without the secret gets in.
func FuzzAdmits(f *testing.F) {
	f.Add("Bearer x", "sha256=00", "1795000000", []byte("{}"))
	f.Fuzz(func(t *testing.T, auth, signature, stamp string, body []byte) {
		h := http.Header{"Authorization": {auth}, "X-Signature": {signature}, "X-Time": {stamp}}
		secret := "nobody-guesses-this-secret-0123456789"
		for _, c := range []Credential{{}, {Bearer: secret}, {User: "u", Password: secret},
			{HMAC: HMAC{Secret: secret, Header: "X-Signature", Algorithm: "sha256", Encoding: "base64"}},
			{HMAC: HMAC{Secret: secret, Header: "X-Signature", Algorithm: "sha256", Encoding: "hex", Timestamp: "X-Time", Window: time.Hour}}} {
			if c.Admits(h, body, time.Unix(1_795_000_000, 0)) {
				t.Fatalf("%+v let %q %q %q in", c, auth, signature, stamp)
			}
		}
	})
}
