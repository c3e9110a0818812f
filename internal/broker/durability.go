package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// minVersion is the first release whose replicated proposals carry their term;
// below it a deposed leader's append could still count.
const minVersion = "2.14.4"

// ErrNotDurable says that the server may lose what it acknowledged.
var ErrNotDurable = errors.New("the NATS server may lose acknowledged messages")

// A Local server runs inside this process. It is an interface so that the
// services, which know it by nothing else, do not link a server.
type Local interface {
	ClientURL() string       // for other processes, empty for none
	InProcess() nats.Option  // connects without a socket
	Unsynced() time.Duration // how old what a power cut takes may be; 0: nothing is lost
}

// CheckDurability refuses a server that does not write every message to disk
// before it acknowledges it, or that is too old. local is the server inside
// this process, if it is one; otherwise monitorURL is the HTTP monitoring of
// the server that nc is connected to, because the setting can be seen nowhere
// else. In a cluster monitorURL may list one address per server, with commas.
func CheckDurability(ctx context.Context, nc *nats.Conn, monitorURL string, local Local) error {
	if err := CheckVersion(nc.ConnectedServerVersion()); err != nil {
		return err
	}
	if local != nil {
		if d := local.Unsynced(); d != 0 {
			return notDurable("the embedded server", d)
		}
		return nil
	}
	if monitorURL == "" {
		return fmt.Errorf("%w: nats.monitor is not set, so sync_interval cannot be seen; set it to the server's HTTP monitoring address, or accept the risk with --unsafe-fsync", ErrNotDurable)
	}
	seen := map[string]bool{}
	for _, u := range strings.Split(monitorURL, ",") {
		id, err := checkMonitor(ctx, strings.TrimSpace(u))
		if err != nil {
			return err
		}
		seen[id] = true
	}
	if !seen[nc.ConnectedServerId()] && nc.ConnectedClusterName() == "" {
		return fmt.Errorf("%w: nats.monitor belongs to another server than nats.url", ErrNotDurable)
	}
	return nil
}

func notDurable(who string, every time.Duration) error {
	return fmt.Errorf("%w: %s has sync_interval %s, so a power cut takes every message of that time; set \"sync_interval: always\" in its jetstream block, or accept the loss with --unsafe-fsync", ErrNotDurable, who, every)
}

// Granted is what the servers let JetStream keep on disk, by their monitoring,
// in bytes: the least of them; 0 if they do not say.
func Granted(ctx context.Context, monitorURL string) int64 {
	var least int64
	for u := range strings.SplitSeq(monitorURL, ",") {
		jsz, err := ask(ctx, strings.TrimSpace(u))
		if err != nil {
			return 0
		}
		if n := jsz.Config.MaxStorage; n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}

// settings are those of a server that matter here.
type settings struct {
	ID       string `json:"server_id"`
	Disabled bool   `json:"disabled"`
	Config   struct {
		SyncAlways   bool          `json:"sync_always"`
		SyncInterval time.Duration `json:"sync_interval"`
		MaxStorage   int64         `json:"max_storage"`
	} `json:"config"`
}

// ask asks one server for its settings.
func ask(ctx context.Context, base string) (settings, error) {
	var jsz settings
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return jsz, fmt.Errorf("%w: nats.monitor is not a URL", ErrNotDurable)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath("jsz").String()+"?config=true", nil)
	if err != nil {
		return jsz, fmt.Errorf("%w: nats.monitor: %w", ErrNotDurable, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return jsz, fmt.Errorf("%w: nats.monitor does not answer: %w", ErrNotDurable, err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&jsz); err != nil || res.StatusCode != http.StatusOK {
		return jsz, fmt.Errorf("%w: nats.monitor answers %d and not as a NATS server does", ErrNotDurable, res.StatusCode)
	}
	return jsz, nil
}

// checkMonitor looks at one server's settings and returns its id.
func checkMonitor(ctx context.Context, base string) (string, error) {
	jsz, err := ask(ctx, base)
	if err != nil {
		return "", err
	}
	if jsz.Disabled {
		return "", fmt.Errorf("%w: JetStream is not enabled on it", ErrNotDurable)
	}
	if !jsz.Config.SyncAlways {
		return "", notDurable("the server", jsz.Config.SyncInterval)
	}
	return jsz.ID, nil
}

// CheckVersion refuses servers older than outdial's promises allow.
func CheckVersion(v string) error {
	got, ok := parseVersion(v)
	want, _ := parseVersion(minVersion)
	switch {
	case !ok:
		return fmt.Errorf("nats-server %q: not a version; at least %s is needed", v, minVersion)
	case slices.Compare(got, want) < 0:
		return fmt.Errorf("nats-server %s is too old, at least %s is needed", v, minVersion)
	}
	return nil
}

func parseVersion(v string) ([]int, bool) {
	var major, minor, patch int
	n, _ := fmt.Sscanf(strings.TrimPrefix(v, "v"), "%d.%d.%d", &major, &minor, &patch)
	return []int{major, minor, patch}, n == 3
}
