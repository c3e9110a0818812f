// Package bus is what the Acqueon Workspace bus has in common for every
// telephone system behind it: the envelope of a message, the lookup that
// survives its spelling, what an event means in the light of a call's history,
// and how a request reaches the agent's desktop. Which key holds what is each
// provider's own business: the same key means different people in Webex CC and
// Five9.
package bus

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// A Message is one message of the bus, or one of the relay page's own.
type Message struct {
	Channel  string // as it came, e.g. "Webex CC"
	Topic    string
	Subtopic string
	Call     Object // message.call, nil when the message has none
	Root     Object
}

// Parse takes a message apart. What is not one JSON object is Permanent
// (not_json): a page copied from the documents, indented with U+00A0, is.
func Parse(raw []byte) (Message, error) {
	root, err := decode(raw)
	if err != nil {
		// The parser's own words may quote the message, which is personal.
		return Message{}, fault.New(fault.Permanent, "read desktop message", "not_json", nil)
	}
	return Message{
		Channel:  root.Text("channel"),
		Topic:    root.Text("topic"),
		Subtopic: root.Text("subtopic"),
		Call:     root.Object("message").Object("call"),
		Root:     root,
	}, nil
}

var errShape = errors.New("not one JSON object")

func decode(raw []byte) (Object, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // ids exceed 2^53
	var root map[string]any
	if err := d.Decode(&root); err != nil {
		return nil, err
	}
	if root == nil {
		return nil, errShape
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errShape
	}
	return root, nil
}

// IsRelay reports whether the message is the relay page's own, not the bus's.
func (m Message) IsRelay() bool {
	_, ok := m.Root["outdial"]
	return ok
}

// Waited is how long the page kept the message before it could send it: it says
// so of what it heard while it was cut off.
func (m Message) Waited() time.Duration {
	ms, ok := m.Root.Int("outdialWaited")
	if !ok || ms < 0 || ms > 7*24*time.Hour.Milliseconds() {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// On reports whether the message is on a channel, however spelled: Webexcc,
// Webex CC and webex cc are one.
func (m Message) On(channel string) bool { return callstate.Fold(m.Channel) == callstate.Fold(channel) }

// AboutCall reports whether the message says something about a call:
// OutboundCallStateChange, OutBoundCallStateChange or their inbound sister.
func (m Message) AboutCall() bool {
	return m.Call != nil && strings.HasSuffix(callstate.Fold(m.Subtopic), "callstatechange")
}

// Outbound reports whether it is about an outbound call: topic Outbound or
// OutboundCall, and the subtopic with it.
func (m Message) Outbound() bool {
	topic := callstate.Fold(m.Topic)
	return m.AboutCall() && (topic == "outbound" || topic == "outboundcall") &&
		strings.HasPrefix(callstate.Fold(m.Subtopic), "outbound")
}
