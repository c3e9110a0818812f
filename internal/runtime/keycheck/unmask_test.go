package keycheck

import (
	"strings"
	"testing"

	"github.com/outdial/outdial/pkg/events"
)

func TestTheRightKeyFindsWhatAMaskHides(t *testing.T) {
	t.Parallel()
	key, other := events.Key(strings.Repeat("k", 32)), events.Key(strings.Repeat("x", 32))
	for name, tc := range map[string]struct {
		number, masked string
		ok             bool
	}{
		"three digits":                {"+3726123456", "+372***3456", true},
		"all zeros":                   {"+3720003456", "+372***3456", true},
		"all nines":                   {"+3729993456", "+372***3456", true},
		"six, as of most numbers":     {"+10000120147", "+1******0147", true},
		"too many to try":             {"+491512345678901", "+49*********8901", false},
		"a number that did not read":  {"+12345", "+****", false},
		"no country":                  {"+3726123456", "***3456", false},
		"nothing hidden":              {"+3726123456", "+3726123456", false},
		"nothing at all":              {"", "", false},
		"stars in two places as long": {"+3726123456", "+3*2***3456", false},
		"stars in two places":         {"+3726123456", "+37*6*23456", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if ours, ok := unmask(key, tc.masked, key.NumberToken(tc.number)); ok != tc.ok || ours != tc.ok {
				t.Errorf("the right key: ours %t, can tell %t", ours, ok)
			}
			if strings.Count(tc.masked, "*") > 3 {
				return // the wrong key tries them all
			}
			if ours, ok := unmask(other, tc.masked, key.NumberToken(tc.number)); ours || ok != tc.ok {
				t.Errorf("a wrong key: ours %t, can tell %t", ours, ok)
			}
		})
	}
}

// What the list stores of a number is what a key is checked against.
func TestEveryShortEnoughMaskCanBeChecked(t *testing.T) {
	t.Parallel()
	key := events.Key(strings.Repeat("k", 32))
	for _, number := range []string{"+3726123456", "+298123456", "+3545551234", "+50622345678"} {
		if ours, ok := unmask(key, events.Mask(number), key.NumberToken(number)); !ours || !ok {
			t.Errorf("%s is masked %s: ours %t, can tell %t", number, events.Mask(number), ours, ok)
		}
	}
}

// What the check of an older store without calls costs, once in its life.
func BenchmarkUnmask(b *testing.B) {
	key := events.Key(strings.Repeat("k", 32))
	for b.Loop() {
		unmask(key, "+1******0147", "aaaaaaaaaaaaaaaaaaaaaaaaaa")
	}
}
