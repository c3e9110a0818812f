// Package config is the configuration of outdial: one definition, the structs
// of this file, from which the YAML file, the environment (OUTDIAL_…) and
// docs/configuration.md come.
//
//	YAML, strictly ─▶ environment over it ─▶ checks ─▶ keys made ─▶ *Config ─▶ Directory
//
// Everything that is wrong is said at once, each fault with its place, and
// then nothing is started, made or written.
//
// The tags of a field: yaml is its name, default its default, help what the
// printed documentation says about it.
package config

import (
	"time"

	"github.com/outdial/outdial/pkg/providers"
)

// Config is everything outdial is told before it starts. A service reads it
// once, in main, and passes its parts down.
type Config struct {
	NATS        NATS                  `yaml:"nats" help:"The log."`
	Redis       Redis                 `yaml:"redis" help:"The agents' sessions, a projection that may be lost, and the pace of connections that have a rate."`
	HTTP        HTTP                  `yaml:"http" help:"The doors of events-bridge, or of everything when it runs in one process."`
	Rulesets    Rulesets              `yaml:"rulesets" help:"The rules that compliance decides by."`
	CallsAge    time.Duration         `yaml:"callsAge" default:"72h" help:"How long the log keeps a call. A request may not expire later than this less a day. Memory: some 2 KB a call for as long."`
	Tenants     map[string]Tenant     `yaml:"tenants,omitempty" help:"The tenants by name, a token of [A-Za-z0-9_-]. Required."`
	Connections map[string]Connection `yaml:"connections,omitempty" help:"The provider accounts by name, a token."`
	Agents      []Agent               `yaml:"agents,omitempty" help:"The roster. Agents can also be enrolled while outdial runs, by the command agent.put."`
	Workspace   Workspace             `yaml:"workspace,omitempty" help:"The sockets of agents' desktops (Acqueon Workspace)."`
	Ingress     Ingress               `yaml:"ingress,omitempty" help:"Dial requests over HTTP."`
	Pace        Pace                  `yaml:"pace" help:"What all processes together ask of a provider account that has a rate: see perSecond of a connection."`
	Limits      Limits                `yaml:"limits" help:"How much of outdial one tenant, connection or agent may take. Each holds for one process of a service."`
	Timing      Timing                `yaml:"timing" help:"Limits and timeouts. The defaults are good for production."`

	// Warnings are what does not hinder a start and should be seen: a secret
	// that others can read, a door that is closed for want of a token.
	Warnings []string `yaml:"-"`
	// Made are the key files that this start has made.
	Made []string `yaml:"-"`

	kinds Kinds // that it was read by
}

// NATS says where the log is.
type NATS struct {
	URL      Private `yaml:"url" secret:"url" help:"The NATS server, or several with commas. Empty runs one in the process: on loopback, without credentials. User and password may stand in it only when it comes from the environment."`
	Listen   string  `yaml:"listen" default:"127.0.0.1:4222" help:"Where the embedded server listens for other processes, loopback only. Empty: this process alone."`
	Store    string  `yaml:"store" default:"./data/nats" help:"Where the embedded server keeps its files."`
	MaxStore Size    `yaml:"maxStore,omitempty" help:"What all streams together may hold, e.g. 16GiB; each has a share of it that the others cannot take. Default: of the embedded server 16GiB, or less on a small disk; of another one what it grants."`
	State    string  `yaml:"state,omitempty" help:"Where each service keeps what it knows of the log, in a folder by its role, so that a log that was put back to an earlier state is noticed; must outlive the service and must not be put back with the log. Default: the folder state beside store."`
	Batch    bool    `yaml:"batch" default:"true" help:"Whether events of different calls go to the log together when many wait: more calls a second on a single server that writes to disk before it answers. It is never done on replicated streams, whose servers do the same by themselves, nor on a server whose streams do not take atomic batches."`
	Monitor  string  `yaml:"monitor" help:"The HTTP monitoring of the server, required with url, because whether it writes to disk before it acknowledges is visible nowhere else; one address a server, with commas. Of the embedded server: host:port to serve it on."`
	Creds    string  `yaml:"creds,omitempty" help:"Credentials file (JWT and seed). One of creds, nkey and user."`
	NKey     string  `yaml:"nkey,omitempty" help:"File with an nkey seed."`
	User     string  `yaml:"user,omitempty" help:"User name, with password. An nkey is better: the server then keeps no secret."`
	Password Secret  `yaml:"password,omitempty" help:"The password of user."`
	TLS      TLS     `yaml:"tls,omitempty" help:"Certificates, where the server is not on loopback."`
}

// TLS are PEM files.
type TLS struct {
	CA   string `yaml:"ca,omitempty" help:"PEM file of the authority that signed the server's certificate."`
	Cert string `yaml:"cert,omitempty" help:"PEM file of our certificate, with key."`
	Key  string `yaml:"key,omitempty" help:"PEM file of the key of cert."`
}

// Redis says where the projection is.
type Redis struct {
	URL Private `yaml:"url" secret:"url" help:"A redis://, rediss:// or unix:// address. Empty: a redis-server found on the machine, else memory. A password may stand in it only when it comes from the environment or from the file that OUTDIAL_REDIS_URL_FILE names."`
}

// Pace says how a rate is kept where nobody can be asked about it.
type Pace struct {
	Processes int `yaml:"processes" default:"4" help:"How many processes of dialer, compliance and bridge there are. While Redis does not answer, or where none is configured for services of their own, each of them keeps this part of every rate."`
}

// HTTP says where the doors are.
type HTTP struct {
	Listen string `yaml:"listen" default:"127.0.0.1:8080" help:"host:port."`
}

// Rulesets says where the deployment's own rule sets are.
type Rulesets struct {
	Dir string `yaml:"dir" help:"Folder with rule sets (*.yaml), on top of the embedded ones. Each is of the tenants it lists under tenants, else of those whose ruleset it is or extends. Empty: the embedded ones alone."`
}

// Tenant is one customer of outdial.
type Tenant struct {
	Countries  []string `yaml:"countries,omitempty" help:"ISO 3166-1 codes of the countries that may be called; all others are refused. The first is home: national numbers are read as its own. Required."`
	Ruleset    string   `yaml:"ruleset,omitempty" help:"The rule set that decides. A request may name another of the tenant's that extends it, and so is stricter. Required."`
	Connection string   `yaml:"connection,omitempty" help:"The connection of requests that name none; one of this tenant's."`
	CallerIDs  []string `yaml:"callerIds,omitempty" help:"Caller ids that requests may show, E.164. The first is the default; none leaves it to the provider."`
	Key        Secret   `yaml:"key,omitempty" help:"32 random bytes in base64: numbers are known to the log only by tokens made with it, so losing it loses the do-not-call list. A missing file is made if everything is on loopback: by the first outdial up, or by outdial provision where nats.url is set. The store keeps a check value of it, and another key is refused. Required."`
}

// Connection is one account at a provider, of one tenant: what every kind has,
// and beside it the provider's own section.
type Connection struct {
	Kind      string `yaml:"kind,omitempty" env:"-" help:"The provider's product. Required."`
	Tenant    string `yaml:"tenant,omitempty" help:"Whose it is. Required."`
	PerSecond int    `yaml:"perSecond,omitempty" help:"How often the provider may be asked in a second, by all processes together: dials first, then preparations, then looks at agents. One of each counts as one, however many requests it takes. Dialer, compliance and bridge then share the account's budget in redis.url. At least 1; ratePerSecond is another name for it. Default: the rate that the provider's document states, else none, and no Redis for them."`
	Hook      Hook   `yaml:"hook,omitempty" help:"What a sender of this connection's webhooks has to show: one of bearer, basic and hmac. None: webhooks from this machine only, and not through a proxy."`

	// Section is the provider's own part; nil where the kind cannot be used.
	Section providers.Section `yaml:"-"`
	product providers.Product
}

// Hook is the credential of a connection's webhooks, one of the three.
type Hook struct {
	Bearer Secret    `yaml:"bearer,omitempty" help:"A token, sent as Authorization: Bearer."`
	Basic  HookBasic `yaml:"basic,omitempty" help:"User and password, sent as Authorization: Basic."`
	HMAC   HookHMAC  `yaml:"hmac,omitempty" help:"A signature over the body."`
}

// HookBasic is a user with a password.
type HookBasic struct {
	User     string `yaml:"user,omitempty" help:"Without a colon. Required."`
	Password Secret `yaml:"password,omitempty" help:"Required."`
}

// HookHMAC is how a provider signs its webhooks.
type HookHMAC struct {
	Secret    Secret        `yaml:"secret,omitempty" help:"The key shared with the provider, used as it stands. Required."`
	Header    string        `yaml:"header,omitempty" help:"The header with the signature, e.g. X-Signature. Required."`
	Prefix    string        `yaml:"prefix,omitempty" help:"What stands before the signature in its header, e.g. sha256=."`
	Algorithm string        `yaml:"algorithm,omitempty" help:"sha256, sha512 or sha1; default sha256."`
	Encoding  string        `yaml:"encoding,omitempty" help:"hex or base64; default hex."`
	Timestamp string        `yaml:"timestamp,omitempty" help:"The header with the time of signing: Unix seconds or milliseconds, or RFC 3339. What is signed is then its value, a full stop and the body. Without it a message that somebody recorded can be sent again."`
	Window    time.Duration `yaml:"window,omitempty" help:"How far the time of signing may be from now; default 2m, within which a repetition is not stored twice."`
}

// Agent is one line of the roster.
type Agent struct {
	Tenant        string   `yaml:"tenant,omitempty" help:"Required."`
	Agent         string   `yaml:"agent,omitempty" help:"Our id, as requests name it. Required."`
	Connection    string   `yaml:"connection,omitempty" help:"Where the agent works; one of the tenant's. Required."`
	ProviderAgent string   `yaml:"providerAgent,omitempty" help:"The provider's id of the agent; default: the same as agent."`
	HuntGroups    []string `yaml:"huntGroups,omitempty" help:"Hunt groups the agent serves, tokens. The first is the agent's own at the provider."`
	Token         Secret   `yaml:"token,omitempty" help:"The agent's credential at the provider, where the provider wants one."`
}

// Workspace says who may open the socket of a desktop.
type Workspace struct {
	Origins []string          `yaml:"origins,omitempty" help:"Pages that may connect from a browser, each as scheme://host[:port]. In the environment: with commas."`
	Tokens  map[string]Secret `yaml:"tokens,omitempty" help:"Bearer tokens by connection/agent, or by agent where all desktops belong to one tenant. None: desktops on this machine only."`
}

// Ingress says who may hand in dial requests over HTTP.
type Ingress struct {
	Tokens map[string]Secret `yaml:"tokens,omitempty" help:"Bearer token by tenant. A tenant without one has no door."`
}
