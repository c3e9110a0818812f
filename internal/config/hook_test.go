package config_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"
)

// hooked is a configuration with a hook of each kind.
const hooked = `
tenants:
  acme: {countries: [US], ruleset: us-federal, connection: tcn-main, key: {file: secrets/acme.key}}
connections:
  tcn-main: {kind: tcn, tenant: acme, baseURL: "http://127.0.0.1:9101"}
  token: {kind: webexcc, tenant: acme, hook: {bearer: {env: DESK_TOKEN}}}
  webex: {kind: webexcc, tenant: acme, hook: {basic: {user: gate, password: {env: TCN_TOKEN}}}}
  five9: {kind: five9, tenant: acme, hook: {hmac: {secret: {env: IPS_TOKEN}, header: X-Signature, prefix: sha1=, algorithm: sha1, encoding: base64, timestamp: X-Time, window: 30s}}}
  plain: {kind: five9, tenant: acme, hook: {hmac: {secret: {file: secrets/ujet}, header: X-Signature}}}
`

func TestAHookIsWhatItsConnectionSays(t *testing.T) {
	t.Parallel()
	c := parse(t, hooked, nil, home(t)).Connections
	if got := c["token"].Hook.Credential(); !got.Admits(http.Header{"Authorization": {"Bearer desk"}}, nil, time.Now()) {
		t.Errorf("the token is refused")
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("gate:token-2098765"))
	if got := c["webex"].Hook.Credential(); !got.Admits(http.Header{"Authorization": {basic}}, nil, time.Now()) {
		t.Errorf("user and password are refused")
	}
	if m := c["five9"].Hook.Credential().HMAC; m.Secret != "ips" || m.Prefix != "sha1=" || m.Algorithm != "sha1" || m.Encoding != "base64" ||
		m.Timestamp != "X-Time" || m.Window != 30*time.Second {
		t.Errorf("%+v", m)
	}
	if m := c["plain"].Hook.Credential().HMAC; m.Secret != "x" || m.Algorithm != "sha256" || m.Encoding != "hex" || m.Window != 2*time.Minute {
		t.Errorf("the defaults are %+v", m)
	}
}
