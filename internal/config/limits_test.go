package config_test

import (
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/config"
)

func TestSizesOfTheStore(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Size{
		"64MiB": 64 << 20, "16GiB": 16 << 30, "2TiB": 2 << 40, "65536KiB": 64 << 20, "16 GiB": 16 << 30,
	} {
		cfg := parse(t, small+"\nnats: {maxStore: "+text+"}\n", nil, home(t))
		if cfg.NATS.MaxStore != want {
			t.Errorf("%s was read as %s", text, cfg.NATS.MaxStore)
		}
	}
	for _, text := range []string{"16", "16GB", "GiB", "-1GiB", "1.5GiB", "0GiB", "9999999999TiB", "63MiB", `""`, "16gib"} {
		_, err := config.Parse("x.yaml", []byte(small+"\nnats: {maxStore: "+text+"}\n"), environment(nil), options(home(t)))
		if err == nil || !strings.Contains(err.Error(), "nats.maxStore") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestLimitsArePositive(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"perConnection", "requestsPerSecond", "rawPerSecond", "sessionsPerHour", "readyPerHour"} {
		for _, bad := range []string{"0", "-1", "many", "1.5"} {
			_, err := config.Parse("x.yaml", []byte(small+"\nlimits: {"+name+": "+bad+"}\n"), environment(nil), options(home(t)))
			if err == nil || !strings.Contains(err.Error(), "limits."+name) {
				t.Errorf("%s: %s: %v", name, bad, err)
			}
		}
		parse(t, small+"\nlimits: {"+name+": 3}\n", nil, home(t))
	}
}
