package bus

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

func object(t *testing.T, text string) Object {
	t.Helper()
	o, err := decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestKeysAreFoundHoweverSpelled(t *testing.T) { // WXC-24, F9-17
	t.Parallel()
	o := object(t, `{"Ep_id":"1","CALLSTATE":"2","call-type":"3","inner":{"x":"4"},"callId":"5","callid":"6"}`)
	for key, want := range map[string]string{"EP_ID": "1", "epId": "1", "CallState": "2", "callType": "3", "x": "", "callId": "5", "callid": "6", "CallID": "5"} {
		if got := o.Text(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if o.Text("nothing", "ep_id") != "1" {
		t.Error("an alias is not tried")
	}
}

func TestValuesInEitherForm(t *testing.T) { // WXC-21, 22, 23, 27, 28, F9-20, X-04
	t.Parallel()
	const view = `{\"pop-over\":[{\"name\":\"ani\"}],\"interaction-panel\":[]}`
	o := object(t, `{"n":18,"s":"18","f":1.8e1,"bad":"18s","t":"true","flag":false,"file":"Menu10sec.wav","null":null,
		"long":300000000115271300000,"ext":"0018","ms":1718965916252,"msText":"1718965916252","never":1e300,"early":12,"view":"`+view+`"}`)
	for _, key := range []string{"n", "s", "f"} {
		if v, ok := o.Int(key); !ok || v != 18 {
			t.Errorf("%s: %d, %v", key, v, ok)
		}
	}
	for _, key := range []string{"bad", "null", "nowhere", "never"} {
		if _, ok := o.Int(key); ok {
			t.Errorf("%s is a number", key)
		}
	}
	if v, said := o.Bool("t"); !v || !said {
		t.Error("true in a string is not true")
	}
	if v, said := o.Bool("flag"); v || !said {
		t.Error("false is not false")
	}
	if _, said := o.Bool("file"); said || o.Text("file") != "Menu10sec.wav" {
		t.Error("a file name was taken for a flag")
	}
	if o.Text("ext") != "0018" || o.Text("long") != "300000000115271300000" {
		t.Errorf("an id lost digits: %q, %q", o.Text("ext"), o.Text("long"))
	}
	want := time.Date(2024, 6, 21, 10, 31, 56, 252e6, time.UTC)
	if !o.Millis("ms").Equal(want) || !o.Millis("msText").Equal(want) || !o.Millis("early").IsZero() || !o.Millis("never").IsZero() {
		t.Errorf("instants: %v, %v, %v", o.Millis("ms"), o.Millis("msText"), o.Millis("early"))
	}
	if got, want := o.Text("view"), strings.ReplaceAll(view, `\"`, `"`); got != want {
		t.Errorf("JSON in a string was touched: %q", got)
	}
}

func TestWhatIsNotOneObjectIsRefused(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "null", "[]", `"x"`, `{"a":1} {"b":2}`, `{"a":1}x`, "\u00a0{}", `{"a":`, "\x00"} {
		if _, err := Parse([]byte(body)); fault.Of(err) != fault.Permanent || fault.Code(err) != "not_json" {
			t.Errorf("%q: %v", body, err)
		}
	}
	for _, body := range []string{`{}`, `{"message":7}`, `{"subtopic":"OutboundCallStateChange","message":{"call":[]}}`} {
		if m, err := Parse([]byte(body)); err != nil || m.AboutCall() || m.Outbound() {
			t.Errorf("%s: %v, %+v", body, err, m)
		}
	}
}

func TestNumbersWithTheirCountry(t *testing.T) { // WXC-19, X-01
	t.Parallel()
	for _, tc := range []struct{ number, region, want string }{
		{"+917702779401", "US", "+917702779401"}, {"917702779401", "US", "+917702779401"},
		{"917702779401", "IN", "+917702779401"}, {"7702779401", "IN", "+917702779401"},
		{"+1 859-657-9625", "US", "+18596579625"}, {"18596579625", "US", "+18596579625"}, {"8596579625", "US", "+18596579625"},
		{"", "US", ""}, {"+", "US", ""}, {"anonymous", "US", ""}, {strings.Repeat("9", 4000), "US", ""}, {"+12", "US", ""},
	} {
		if got := FromInternational(tc.number, tc.region); got != tc.want {
			t.Errorf("%.20q in %s: %q, want %q", tc.number, tc.region, got, tc.want)
		}
	}
}

// What a provider reports in its declared form is one number or none: read
// more forgivingly, it would be news of somebody else's call.
func TestWhatIsNotInTheDeclaredFormIsNobodysNumber(t *testing.T) {
	t.Parallel()
	for class, tc := range map[string]struct {
		international, national []string
		region                  string
	}{
		"a trunk prefix behind the country code": {[]string{"+114355550142", "114355550142", "+1 1 435 555 0142"}, []string{"+114355550142", "114355550142"}, "US"},
		"a trunk zero behind the country code":   {[]string{"+4401612345678", "4401612345678", "+9109812345678", "9109812345678"}, []string{"+4401612345678", "4401612345678"}, "GB"},
		"a country code twice":                   {[]string{"+91919812345678", "91919812345678"}, []string{"91919812345678"}, "IN"},
		"letters and decimals":                   {[]string{"1435555CALL", "14355550142.0", "1.4355550142E10", "14355550142x12"}, []string{"435555CALL", "4355550142.0", "4355550142x12"}, "US"},
		"no area code":                           {[]string{"5550142"}, []string{"5550142"}, "US"},
		"other digits":                           {[]string{"１４３５５５５０１４２"}, []string{"٤٣٥٥٥٥٠١٤٢"}, "US"},
	} {
		for _, n := range tc.international {
			if got := FromInternational(n, tc.region); got != "" {
				t.Errorf("%s: %q with its country is %s", class, n, got)
			}
		}
		for _, n := range tc.national {
			if got := FromNational(n, tc.region); got != "" {
				t.Errorf("%s: %q without its country is %s", class, n, got)
			}
		}
		for _, n := range append(tc.international, tc.national...) {
			if _, digits, ok := events.National(n); ok {
				t.Errorf("%s: %q would be sent as %s", class, n, digits)
			}
		}
	}
	for number, want := range map[string]string{"4355550142": "+14355550142", "14355550142": "+14355550142", "(435) 555-0142": "+14355550142", "+14355550142": "+14355550142"} {
		if got := FromNational(number, "US"); got != want {
			t.Errorf("%s is %q, want %s", number, got, want)
		}
	}
	if got := FromNational("01612345678", "GB"); got != "+441612345678" {
		t.Errorf("as dialed at home: %q", got)
	}
}

func TestWhateverIsReadAsANumberIsE164(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.String(), rapid.StringMatching(`\+?[0-9 ()-]{0,20}`)).Draw(t, "number")
		region := rapid.SampledFrom([]string{"US", "GB", "IN", "IT", "", "XX"}).Draw(t, "region")
		for _, got := range []string{FromInternational(number, region), FromNational(number, region)} {
			if got != "" && !events.IsE164(got) {
				t.Fatalf("%q in %s became %q", number, region, got)
			}
		}
	})
}

func TestANumberSentNationallyComesBackTheSame(t *testing.T) { // F9-07
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := "+1" + rapid.StringMatching(`[2-9][0-9]{2}[2-9][0-9]{6}`).Draw(t, "number")
		_, national, ok := events.National(number)
		if !ok || FromNational(national, "US") != number || FromInternational(number[1:], "US") != number {
			t.Fatalf("%s became %q nationally, %q with its country", number, FromNational(national, "US"), FromInternational(number[1:], "US"))
		}
	})
}

func TestVersionsAreNumbers(t *testing.T) { // WXC-36, F9-28
	t.Parallel()
	for _, tc := range []struct {
		version, minimum string
		want             bool
	}{
		{"3.21.2410", "3.21.2410", true}, {"3.21.2411", "3.21.2410", true}, {"3.21.2409", "3.21.2410", false},
		{"3.100", "3.21.2410", true}, {"4", "3.21.2410", true}, {"3.21", "3.21.2410", false}, {"3.21.2410.0", "3.21.2410", true},
		{"", "3.21.2410", false}, {"v3.22", "3.21.2410", false}, {"3..22", "3.21.2410", false},
	} {
		if got := AtLeast(tc.version, tc.minimum); got != tc.want {
			t.Errorf("%s at least %s: %v", tc.version, tc.minimum, got)
		}
	}
}

func TestManualIsSaidOrProved(t *testing.T) { // WXC-20, F9-15
	t.Parallel()
	v := providers.View{Dialed: true, To: "+16081234567"}
	for text, want := range map[string]bool{
		`{"OutBoundType":"manualdial"}`: true, `{"OutboundType":"ManualDial"}`: true, `{"outbound_type":"manual_dial"}`: true,
		`{"OutBoundType":"predictive"}`: false, `{}`: true,
	} {
		if got := Manual(object(t, text), v.To, v); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if Manual(Object{}, "", v) || Manual(Object{}, "+16081234568", v) || Manual(Object{}, v.To, providers.View{To: v.To}) {
		t.Error("an unmarked call of somebody else, or before we dialed, was taken for ours")
	}
}
