package desktopsim

import (
	"bytes"
	"cmp"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
)

//go:embed fixtures/webexcc-event.json
var webexSample string

//go:embed fixtures/five9-event.json
var five9Sample string

// The values of the samples that are a call's, or an agent's, own.
const (
	webexInteraction = "982c6b08-5a55-471c-9dcb-4280359c66f7"
	webexNumber      = "+917702779401"
	webexAgent       = "22a3ff9b-c51c-4c6b-8b8a-ca98154240f1"
	five9Call        = "300000000115271"
	five9Interaction = "DD80226271414A229947131A92EE86C3"
	five9Session     = "37D1E3B2067D49A183AB781062108666"
	five9Number      = "6081234567"
	five9Agent       = "300000001745182"
)

var errRequest = errors.New("not a request to make a call")

// ParseRequest reads a request to make a call, exactly as the documents print
// it, and gives the number in E.164. Five9's number may be text or a bare
// number of more than 32 bits. Anything else is refused.
func ParseRequest(kind providers.Kind, raw []byte, region string) (string, error) {
	var m struct {
		Channel, Topic, Subtopic string
		Data                     any
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return "", errRequest
	}
	number := ""
	switch data := m.Data.(type) {
	case string:
		number = data
	case json.Number:
		if kind == providers.Five9 {
			number = data.String()
		}
	}
	if number == "" || bus.Digits(number) != number {
		return "", errRequest
	}
	switch {
	case kind == providers.WebexCC && m.Channel == "Webexcc" && m.Topic == "OutboundCall" && m.Subtopic == "MakeCall":
		number = "+" + number
	case kind == providers.Five9 && m.Channel == "Five9" && m.Topic == "InboundCall" && m.Subtopic == "SetMakeCall":
		number = bus.FromNational(number, region)
	default:
		return "", errRequest
	}
	if !events.IsE164(number) {
		return "", errRequest
	}
	return number, nil
}

// A teller says what becomes of one call, in its provider's words.
type teller struct {
	kind    providers.Kind
	sample  string // with this call's ids and number
	id      string // the provider's id of the call
	ani     string // who is on the customer's end, E.164
	outType string // manualdial, or predictive for a call that is not ours
	now     func() time.Time
}

func newTeller(cfg Config, number string) *teller {
	t := &teller{kind: cfg.Kind, ani: number, outType: "manualdial", now: cfg.Now}
	agent := cfg.ProviderAgent
	if cfg.Kind == providers.WebexCC {
		t.id = uuid()
		t.sample = strings.NewReplacer(webexInteraction, t.id, webexNumber, number,
			webexAgent, cmp.Or(agent, webexAgent)).Replace(webexSample)
		return t
	}
	t.id = "3" + digits(14)
	_, national, _ := events.National(number)
	t.sample = strings.NewReplacer(five9Call, t.id, five9Interaction, hexID(), five9Session, hexID(),
		five9Number, national, five9Agent, cmp.Or(agent, five9Agent)).Replace(five9Sample)
	return t
}

// tell makes the message for one step.
func (t *teller) tell(s step) ([]byte, error) {
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(t.sample))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	call := child(child(m, "message"), "call")
	call["event"] = s.event
	fields := child(call, "ResponseFields")
	fields["CallState"] = s.state
	fields["OutBoundType"] = t.outType
	if t.kind == providers.Five9 {
		child(fields, "interactionData")["callState"] = strings.ToUpper(s.state)
	} else {
		t.webex(child(child(call, "ResponseActual"), "data"), s)
	}
	return json.Marshal(m)
}

func (t *teller) webex(data map[string]any, s step) {
	data["eventTime"] = t.now().UnixMilli()
	data["type"] = strings.TrimPrefix(s.event, "e")
	if s.reason != "" {
		data["reason"] = s.reason
	}
	inter := child(data, "interaction")
	inter["state"] = s.state
	for _, p := range child(inter, "participants") {
		person, _ := p.(map[string]any)
		if person["pType"] == "Customer" {
			person["hasJoined"], person["hasLeft"] = s.customer, s.customer && s.over
			continue
		}
		person["hasJoined"], person["isWrapUp"] = s.agent, s.state == "wrapUp"
	}
}

// child is the object under key; the samples have all that are asked for.
func child(m map[string]any, key string) map[string]any {
	c, _ := m[key].(map[string]any)
	return c
}

func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // crypto/rand never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func hexID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return strings.ToUpper(hex.EncodeToString(b))
}

func digits(n int) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	v, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return strings.Repeat("0", n)
	}
	return fmt.Sprintf("%0*s", n, v.String())
}
