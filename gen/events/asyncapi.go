package gen

import (
	"fmt"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/outdial/outdial/pkg/events"
)

type object = map[string]any

// channel is one address of the AsyncAPI document.
type channel struct {
	key, address, says string
	params             map[string]string
	operation, action  string
	opSays             string
}

func channels() []channel {
	tenant := "the tenant, a token"
	return []channel{
		{"dialRequests", "dial.requests.{tenant}", "Dial requests of one tenant's upstream systems (stream REQUESTS_<tenant>).",
			map[string]string{"tenant": tenant}, "takeDialRequest", "receive", "A request becomes a call, or one rejection."},
		{"calls", "calls.{tenant}.{call}.{role}.{event}", "The log of every call (stream CALLS). Services write with the prefix append.; subscribers see only what was stored.",
			map[string]string{"tenant": tenant, "call": "the call's id, 26 characters", "role": "who wrote it", "event": "the last but one part of the type"},
			"reportCall", "send", "Every state of every call."},
		{"agents", "agents.{tenant}.{agent}.{role}.{event}", "The log of every agent: roster, presence, claims (stream AGENTS).",
			map[string]string{"tenant": tenant, "agent": "the agent's token", "role": "who wrote it", "event": "the last but one part of the type"},
			"reportAgent", "send", "Every state of every agent."},
		{"provider", "provider.{tenant}.{connection}", "Provider messages as they came (stream PROVIDER).",
			map[string]string{"tenant": tenant, "connection": "the connection's name"},
			"takeProviderMessage", "receive", "What a bridge or a gateway heard; understood afterwards."},
		{"facts", "facts.{tenant}.{kind}.{token}", "What the company knows about numbers (stream FACTS).",
			map[string]string{"tenant": tenant, "kind": "dnc, consent, optout, attempt …", "token": "the number's keyed token"},
			"recordFact", "send", "A number is listed, or no longer."},
		{"control", "control.{tenant}.{scope}.{name}", "Pauses and the rehearsal clock (stream CONTROL).",
			map[string]string{"tenant": tenant + ", or _ for all", "scope": "what is controlled", "name": "which one"},
			"obeyControl", "receive", "Operators steer."},
		{"ops", "ops.{tenant}.{event}", "Alarms, connections, commands (stream OPS).",
			map[string]string{"tenant": tenant, "event": "command, alarm, connection_up, connection_down …"},
			"reportOperation", "send", "For the people on duty."},
		{"rejected", "rejected.{tenant}.{stage}", "What was refused or parked, and why (stream REJECTED).",
			map[string]string{"tenant": tenant + ", or _ when it is not known", "stage": "where it was refused"},
			"reject", "send", "Every bad input gets exactly one."},
	}
}

// asyncDocument is AsyncAPI 3.0.0, from the view of outdial: it receives
// requests and sends everything else.
func asyncDocument(entries []Entry, schemas map[string]*jsonschema.Schema, examples []Example) object {
	messages, chans, ops := object{}, object{}, object{}
	for i, e := range entries {
		if twin, ok := messages[e.Type].(object); ok { // two roles write it: one message, two tags
			twin["tags"] = append(twin["tags"].([]object), object{"name": e.Role})
			twin["summary"] = fmt.Sprintf("%s; from the %s: %s", twin["summary"], e.Role, e.Says)
			continue
		}
		messages[e.Type] = object{
			"name": e.Type, "title": e.Name, "summary": e.Says, "contentType": "application/json",
			"tags":    []object{{"name": e.Role}},
			"headers": ref("schemas", headerSchemaOf(e)),
			"payload": ref("schemas", e.Type),
			"examples": []object{{
				"name": "sample", "summary": examples[i].Subject,
				"headers": flatHeaders(examples[i].Headers), "payload": examples[i].Data,
			}},
		}
	}
	for _, c := range channels() {
		params, in, refs := object{}, object{}, []object{}
		for name, says := range c.params {
			params[name] = object{"description": says}
		}
		for _, e := range entries {
			if e.Channel == c.key && in[e.Type] == nil {
				in[e.Type] = ref("messages", e.Type)
				refs = append(refs, object{"$ref": "#/channels/" + c.key + "/messages/" + e.Type})
			}
		}
		chans[c.key] = object{"address": c.address, "description": c.says, "parameters": params, "messages": in}
		ops[c.operation] = object{
			"action": c.action, "channel": object{"$ref": "#/channels/" + c.key}, "summary": c.opSays, "messages": refs,
		}
	}
	components := object{headerSchema: headersSchema(false), logHeaderSchema: headersSchema(true)}
	for typ, s := range schemas {
		components[typ] = s
	}
	return object{
		"asyncapi": "3.0.0",
		"info": object{
			"title": "outdial", "version": "1",
			"description": "Event-driven outbound calls on NATS JetStream. Every message is a CloudEvent 1.0 in binary mode (attributes as ce- headers, JSON data as payload); structured mode is read too. Printed from the Go types by eventsgen.",
		},
		"defaultContentType": "application/json",
		"servers": object{
			"local": object{"host": "127.0.0.1:4222", "protocol": "nats", "description": "The broker that `outdial up` embeds."},
		},
		"channels":   chans,
		"operations": ops,
		"components": object{"messages": messages, "schemas": components},
	}
}

const (
	headerSchema    = "headers"
	logHeaderSchema = "logHeaders"
)

func headerSchemaOf(e Entry) string {
	if e.Channel == "calls" || e.Channel == "agents" {
		return logHeaderSchema
	}
	return headerSchema
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// headersSchema describes the attributes as they stand in a binary message.
func headersSchema(log bool) object {
	props := object{}
	required := []string{}
	for _, a := range attributes() {
		if a.logOnly && !log {
			continue
		}
		p := object{"type": "string", "description": a.says}
		if a.pattern != "" {
			p["pattern"] = a.pattern
		}
		props["ce-"+a.name] = p
		if a.required || log && a.name == "subject" {
			required = append(required, "ce-"+a.name)
		}
	}
	return object{"type": "object", "properties": props, "required": required}
}

type attribute struct {
	name, says, pattern string
	required, logOnly   bool
}

func attributes() []attribute {
	return []attribute{
		{name: "specversion", says: "1.0", pattern: `^1\.0$`, required: true},
		{name: "type", says: "io.outdial.<what>.v1; an additive change keeps it, a breaking one raises the version", required: true},
		{name: "source", says: "/outdial/<tenant>/<role>; of requests, the sender's own", required: true},
		{name: "id", says: "derived from the causing event and the type, so that a repeated decision says the same; dialing and preparing have a random one", required: true},
		{name: "time", says: "when it happened, RFC 3339; of requests optional"},
		{name: "subject", says: "the call's id or the agent's token"},
		{name: "datacontenttype", says: "application/json"},
		{name: events.ExtCorrelation, says: "the call's id", logOnly: true},
		{name: events.ExtPartitionKey, says: "the call's id or the agent's token", logOnly: true},
		{name: events.ExtCausation, says: "id of the causing event", logOnly: true},
		{name: events.ExtSequence, says: "place in the call's log, six digits, so that it sorts as text", pattern: `^[0-9]{6}$`, logOnly: true},
		{name: events.ExtTraceParent, says: "W3C trace context of the start", pattern: `^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`},
		{name: events.ExtExpiryTime, says: "of requests: do not dial later; the earlier of it and expiresAt counts"},
	}
}

// what is the middle of a type, e.g. call.waiting.
func what(typ string) string {
	return strings.TrimSuffix(strings.TrimPrefix(typ, "io.outdial."), ".v1")
}
