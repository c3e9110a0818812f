package events

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The golden values were computed with another program (Python's hashlib):
// identities must never change, or a repeated request is dialed again.
func TestIdentitiesDoNotChange(t *testing.T) {
	t.Parallel()
	for what, pair := range map[string][2]string{
		"a call's id":         {CallID("acme", "/crm", "42"), "osyor7um4q3fy3vdpr5mx4dccr"},
		"an event's id":       {EventID("cause", "io.outdial.call.closed.v1", "k"), "7n33x2jsoio2b45dlb7wjkiyvw"},
		"a number's token":    {testKey.NumberToken("+12025550123"), "vnlh6utwxmf77ecoghzda6yaoo"},
		"a long agent's":      {AgentToken("jane.doe@example.com"), "7d3c3ejwqilp73ykiyzequlcya"},
		"a short agent's":     {AgentToken("2098765"), "2098765"},
		"a number to be seen": {testKey.Number("+12025550123").Masked, "+1******0123"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %s, was %s", what, pair[0], pair[1])
		}
	}
}

func TestIdentitiesAreTokens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b"), rapid.String().Draw(t, "c")
		for _, id := range []string{CallID(a, b, c), EventID(a, b, c), testKey.Digest([]byte(a)), AgentToken(a), RandomID()} {
			if !IsToken(id) {
				t.Fatalf("%q is not a token", id)
			}
		}
		if a != b && CallID(a, "s", "1") == CallID(b, "s", "1") {
			t.Fatal("two tenants share a call")
		}
	})
}

func TestMask(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"+12025550123":   "+1******0123",
		"+442071838750":  "+44******8750",
		"+5511987654321": "+55*******4321",
		"+911234567890":  "+91******7890",
		"+1202555":       "+****55",
		"+12":            "+****",
		"":               "+****",
		"not a number":   "+****er",
	} {
		if got := Mask(number); got != want {
			t.Errorf("Mask(%q) = %q, want %q", number, got, want)
		}
	}
}

// Whatever goes in, at most the country code and four digits come out.
func TestMaskHides(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`\+[1-9][0-9]{6,14}`).Draw(t, "number")
		masked := Mask(number)
		if shown := digits(masked); shown > 7 || shown > len(number)-3 {
			t.Fatalf("Mask(%s) = %s", number, masked)
		}
		if strings.Contains(masked, number[1:]) {
			t.Fatal("nothing is hidden")
		}
	})
}

func TestSealedTokensOpenInTheirPlaceOnly(t *testing.T) {
	t.Parallel()
	sealed, err := testKey.Seal("secret", "acme/7")
	if err != nil || strings.Contains(sealed, "secret") {
		t.Fatal(sealed, err)
	}
	if again, _ := testKey.Seal("secret", "acme/7"); again == sealed {
		t.Error("two seals of one secret look alike")
	}
	if got, err := testKey.Open(sealed, "acme/7"); err != nil || got != "secret" {
		t.Error(got, err)
	}
	other := NewKey()
	flipped := []byte(sealed)
	flipped[len(flipped)/2] ^= 1
	for story, open := range map[string]func() (string, error){
		"for another agent":   func() (string, error) { return testKey.Open(sealed, "acme/8") },
		"with another key":    func() (string, error) { return other.Open(sealed, "acme/7") },
		"after a bit flipped": func() (string, error) { return testKey.Open(string(flipped), "acme/7") },
		"cut short":           func() (string, error) { return testKey.Open(sealed[:10], "acme/7") },
		"not base64":          func() (string, error) { return testKey.Open("§§§", "acme/7") },
		"nothing":             func() (string, error) { return testKey.Open("", "acme/7") },
	} {
		if got, err := open(); !errors.Is(err, ErrSeal) || got != "" {
			t.Errorf("%s: %q, %v", story, got, err)
		}
	}
}

func TestKeysAndAttemptsAreNeverTheSame(t *testing.T) {
	t.Parallel()
	first, second := NewKey(), NewKey()
	if string(first) == string(second) || len(first) != 32 {
		t.Error("two keys are the same, or too short")
	}
	if one, other := RandomID(), RandomID(); one == other {
		t.Error("two attempts have the same id")
	}
	if testKey.NumberToken("+12025550123") == NewKey().NumberToken("+12025550123") {
		t.Error("a number's token does not depend on the tenant")
	}
}

func digits(s string) (n int) {
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			n++
		}
	}
	return n
}
