// Package api serves commands and queries over NATS as micro services, so that
// `nats micro ls` shows them. The subject is outdial.<tenant>.<group>.<verb>: a
// permission on it pins the tenant.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// An Endpoint is one command or query.
type Endpoint struct {
	Group, Verb string
	Does        string
	Handle      func(ctx context.Context, tenant string, body []byte) (any, error)
}

// An Error is refused by the one who asks, with a code as in HTTP.
type Error struct {
	Code    string // 400, 404, 409 …
	Message string // never personal
	Faults  []events.Fault
}

func (e *Error) Error() string { return e.Message }

// BadRequest refuses a body, naming what is wrong.
func BadRequest(message string, faults ...events.Fault) error { return &Error{"400", message, faults} }

// NotFound says that what is asked for does not exist.
func NotFound(message string) error { return &Error{Code: "404", Message: message} }

// Conflict says that the state of things forbids the command.
func Conflict(message string) error { return &Error{Code: "409", Message: message} }

// Decode reads a JSON body strictly: an unknown field is an error, because a
// misspelt one would silently widen a command, and so is a name that stands
// twice. The error has every fault with its place.
func Decode[T any](body []byte) (T, error) {
	var v T
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	faults := check(body, reflect.TypeFor[T]())
	if len(faults) == 0 && json.Unmarshal(body, &v) != nil {
		faults = []events.Fault{{Code: events.FaultWrongJSONType, Message: "the body cannot be read"}}
	}
	if len(faults) == 0 {
		return v, nil
	}
	var says []string
	for _, f := range faults {
		at := f.Pointer
		if f.Code == events.FaultUnknownField { // its name is no word of ours
			at = at[:max(strings.LastIndexByte(at, '/'), 0)]
		}
		says = append(says, strings.TrimSpace(at+" "+f.Message))
	}
	return v, BadRequest(strings.Join(says, "; "), faults...)
}

// timeout is how long one command may take.
const timeout = 10 * time.Second

// Serve registers a service and its endpoints for each tenant; stop it with
// Stop. A tenant has subjects of its own, so one that asks a lot, or for
// something slow, keeps no other waiting; and an unknown one hears that nobody
// answers. When it returns the server knows of every endpoint: whoever was told
// that the service is ready is answered.
func Serve(nc *nats.Conn, name, version, description string, logger *slog.Logger, tenants []string, endpoints []Endpoint) (micro.Service, error) {
	svc, err := micro.AddService(nc, micro.Config{Name: name, Version: version, Description: description})
	if err != nil {
		return nil, err
	}
	for _, e := range endpoints {
		for _, tenant := range tenants {
			if err := add(svc, tenant, e, logger); err != nil {
				_ = svc.Stop()
				return nil, err
			}
		}
	}
	if err := nc.FlushTimeout(timeout); err != nil { // subscriptions are written by the by
		_ = svc.Stop()
		return nil, err
	}
	return svc, nil
}

func add(svc micro.Service, tenant string, e Endpoint, logger *slog.Logger) error {
	handle := micro.HandlerFunc(func(r micro.Request) {
		answer(r, e, logger) // in line, so that `nats micro stats` tells times and errors
	})
	return svc.AddEndpoint(e.Group+"-"+strings.ReplaceAll(e.Verb, ".", "-"), handle,
		micro.WithEndpointSubject(events.ServiceSubject(tenant, e.Group, e.Verb)),
		micro.WithEndpointMetadata(map[string]string{"does": e.Does}))
}

func answer(r micro.Request, e Endpoint, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	tenant := ""
	if p := strings.Split(r.Subject(), "."); len(p) > 1 {
		tenant = p[1]
	}
	if !events.IsToken(tenant) {
		_ = r.Error("400", "the subject names no tenant", nil)
		return
	}
	v, err := e.Handle(ctx, tenant, r.Data())
	if err == nil {
		_ = r.RespondJSON(v)
		return
	}
	code, message, body := refusal(err)
	if code == "500" {
		logger.ErrorContext(ctx, "command", "group", e.Group, "verb", e.Verb, "code", fault.Code(err))
	}
	_ = r.Error(code, message, body)
}

// refusal puts an error into a service error. What nobody classified shows no
// detail: it could hold anything.
func refusal(err error) (code, message string, body []byte) {
	if e, ok := errors.AsType[*Error](err); ok {
		says := map[string]any{"error": e.Message}
		if len(e.Faults) > 0 {
			says["faults"] = e.Faults
		}
		body, _ = json.Marshal(says)
		return e.Code, e.Message, body
	}
	code = "500"
	switch fault.Of(err) {
	case fault.Transient:
		code = "503"
	case fault.Uncertain:
		code = "504"
	}
	message = fault.Code(err) + " (" + fault.Of(err).String() + ")"
	body, _ = json.Marshal(map[string]any{"error": message})
	return code, message, body
}
