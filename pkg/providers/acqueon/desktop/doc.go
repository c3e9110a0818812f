// Package desktop is the way to and from the desktops of agents whose
// provider has no interface but the desktop itself (Acqueon Workspace). A small
// script in the desktop's page keeps a WebSocket to the events-bridge:
//
//	provider's events ─▶ relay.js ─▶ Hub ─▶ DesktopSink (stores them) ─▶ receipt
//	dialer ─▶ Requester ─▶ NATS ─▶ Responder ─▶ Hub ─▶ relay.js ─▶ the bus
//
// An event is kept by the page until it is stored here; one that had to wait
// says for how long. A request is sent once
// on one socket, or not at all: no request waits for a page to come back.
package desktop

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/pkg/providers"
)

// Subprotocol is the version of what is spoken on the socket.
const Subprotocol = "outdial.v1"

// bearerPrefix stands before the token among the offered subprotocols; a
// browser can send no other header with a WebSocket.
const bearerPrefix = "bearer."

// MaxMessage is the most bytes a message may have in either direction.
const MaxMessage = 64 << 10

// BasePath is where the sockets are, followed by connection and agent.
const BasePath = "/v1/workspaces/"

// ScriptPath is where the page's script is.
const ScriptPath = BasePath + "relay.js"

// Close codes of our own.
const (
	// StatusReplaced: the agent connected from another page; do not come back.
	StatusReplaced websocket.StatusCode = 4001
	// StatusRefused: the connection is not known or has no desktops; do not come
	// back. The page of an agent who is not on the roster is told to try again
	// later (1013), because agent.put or a start may bring the agent any moment.
	StatusRefused websocket.StatusCode = 4003
)

// Why a session ended, for the sink's Closed.
const (
	EndClosed   = providers.SessionClosed
	EndLost     = "lost"                 // the socket broke or stayed silent
	EndReplaced = "replaced"             // the agent connected from another page
	EndProtocol = "protocol"             // the page broke the rules: oversize, not text
	EndStore    = providers.SessionStore // the page sends it again
	EndShutdown = "shutdown"             // the bridge goes down
)

// toPage is what the hub writes. Kinds: hello, stored, refused, request, tell.
type toPage struct {
	Outdial string `json:"outdial"`
	Session string `json:"session,omitempty"`
	Time    int64  `json:"time,omitempty"` // hello: the server's clock, Unix milliseconds
	// Seq is the ordinal of the page's message on this socket, from 1; acks
	// and naks are not counted.
	Seq      uint64          `json:"seq,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Attempt  string          `json:"attempt,omitempty"`
	NotAfter int64           `json:"notAfter,omitempty"` // Unix milliseconds on the server's clock
	Message  json.RawMessage `json:"message,omitempty"`
}

// fromPage is what the hub itself understands of what a page writes; all else
// goes to the sink as it is.
type fromPage struct {
	Outdial string `json:"outdial"`
	Attempt string `json:"attempt"`
	Reason  string `json:"reason"`
}

// Limits tune a hub. The zero value is good for production.
type Limits struct {
	PingEvery    time.Duration // default 20s
	PingTimeout  time.Duration // default 10s
	WriteTimeout time.Duration // default 5s
	StoreTimeout time.Duration // one call of the sink; default 15s
	PerSecond    float64       // messages a page may send; default 50
	Burst        int           // default 200
	Backlog      int           // messages read but not yet stored; default 64
}

func (l Limits) withDefaults() Limits {
	return Limits{
		PingEvery: cmp.Or(l.PingEvery, 20*time.Second), PingTimeout: cmp.Or(l.PingTimeout, 10*time.Second),
		WriteTimeout: cmp.Or(l.WriteTimeout, 5*time.Second), StoreTimeout: cmp.Or(l.StoreTimeout, 15*time.Second),
		PerSecond: cmp.Or(l.PerSecond, 50), Burst: cmp.Or(l.Burst, 200), Backlog: cmp.Or(l.Backlog, 64),
	}
}
