package config_test

import (
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/config"
)

// Names that are one in capitals share their variables, and the setting of one
// would become the other's.
func TestAVariableIsOneConnections(t *testing.T) {
	t.Parallel()
	text := small + "  tcn_main: {kind: tcn, tenant: acme, baseURL: 'http://127.0.0.1:9102'}\n"
	parse(t, text, nil, home(t))
	_, err := config.Parse("", []byte(text), environment(map[string]string{"OUTDIAL_CONNECTIONS_TCN_MAIN_BASE_URL": "http://127.0.0.1:1"}), options(home(t)))
	if err == nil || !strings.Contains(err.Error(), "OUTDIAL_CONNECTIONS_TCN_MAIN_BASE_URL: is the variable of connections.tcn_main.baseURL too") {
		t.Errorf("got %v", err)
	}
}

// The file was read by the kind, so nothing else may say another.
func TestAKindIsTheFiles(t *testing.T) {
	t.Parallel()
	cfg := parse(t, small, map[string]string{"OUTDIAL_CONNECTIONS_TCN_MAIN_KIND": "five9"}, home(t))
	if got := cfg.Connections["tcn-main"].Kind; got != "tcn" {
		t.Errorf("it is %s", got)
	}
}

func TestTheEnvironmentReachesAHook(t *testing.T) {
	t.Parallel()
	cfg := parse(t, small+"  desk: {kind: five9, tenant: acme}\n", map[string]string{"OUTDIAL_CONNECTIONS_DESK_HOOK_BEARER": "door"}, home(t))
	if got := cfg.Connections["desk"].Hook.Bearer.Reveal(); got != "door" {
		t.Errorf("it is %q", got)
	}
}
