package app

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/runtime/keycheck"
	"github.com/outdial/outdial/pkg/events"
)

// rekey puts a new key in the place of acme's.
func rekey(t *testing.T, dir string) (back func()) {
	t.Helper()
	file := filepath.Join(dir, "acme.key")
	was, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString(events.NewKey())), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.WriteFile(file, was, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The file may change under a running outdial, which read it at its start; the
// next start is refused, and the old key leads back.
func TestAKeyThatWasReplacedIsRefusedAtTheNextStart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	a, err := Start(t.Context(), Options{Config: h.config(here), Version: "0.0.1", Unsafe: true, LogTo: t.Output(), Getenv: noEnv})
	if err != nil {
		t.Fatal(err)
	}
	back := rekey(t, h.dir)
	if err := keycheck.Check(t.Context(), a.Host("dialer").JS, a.Setup.Keys()); err != nil {
		t.Errorf("the outdial that runs: %v", err)
	}
	late := a.Setup // a service that starts beside the others, and reads the new key
	late.Config = h.config(here)
	for service := range runtime.Roles() {
		if host, err := late.Host(t.Context(), service); !errors.Is(err, keycheck.ErrOther) {
			t.Errorf("%s starts with another key than the store's: %v", service, err)
			if err == nil {
				host.Close()
			}
		}
	}
	a.Close()
	for range 2 { // nor by trying twice
		if err := h.start(here, time.Time{}); !errors.Is(err, keycheck.ErrOther) || !strings.Contains(err.Error(), "acme.key") {
			t.Errorf("with the new key: %v", err)
		}
	}
	back()
	if err := h.start(here, time.Time{}); err != nil {
		t.Errorf("with the old key: %v", err)
	}
}

// By another key every number on the list would be dialed: the store of the
// version before has no check value, but tells its key all the same.
func TestTheStoreOfTheVersionBeforeKnowsItsKeys(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		do   func(*previous)
		want error
		says string
	}{
		"another key": {func(p *previous) { rekey(p.t, p.dir) }, keycheck.ErrOther, "acme.key"},
		"another key, when its calls have gone by age":  {func(p *previous) { p.ageOut(); rekey(p.t, p.dir) }, keycheck.ErrOther, "FACTS"},
		"its own keys, when its calls have gone by age": {func(p *previous) { p.ageOut() }, nil, ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			p := openPrevious(t, "fd50fd6")
			tc.do(p)
			a, err := Start(t.Context(), Options{Config: p.config(), Version: "0.0.1", Unsafe: true, LogTo: t.Output(), Getenv: noEnv})
			if err == nil {
				a.Close()
			}
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Fatalf("started: %v, want %v", err, tc.want)
			}
			if tc.want == nil {
				return
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%q is not in: %v", tc.says, err)
			}
			(&home{t: t, dir: p.dir}).amid(func(ctx context.Context, js jetstream.JetStream) error {
				if _, _, err := log.GetControl(ctx, js, "control.acme.key.check"); !errors.Is(err, log.ErrNone) {
					t.Errorf("the wrong key is on record: %v", err)
				}
				s, err := js.Stream(ctx, "REQUESTS_acme")
				if err == nil && s.CachedInfo().Config.MaxAge == 72*time.Hour {
					t.Error("the streams were changed before the keys were looked at")
				}
				return err
			})
		})
	}
}

// ageOut lets all calls go, as days do.
func (p *previous) ageOut() {
	p.t.Helper()
	(&home{t: p.t, dir: p.dir}).amid(func(ctx context.Context, js jetstream.JetStream) error {
		s, err := js.Stream(ctx, events.StreamCalls)
		if err != nil {
			return err
		}
		c := s.CachedInfo().Config
		keep := c.MaxAge
		c.MaxAge, c.Duplicates = 100*time.Millisecond, 100*time.Millisecond
		if s, err = js.UpdateStream(ctx, c); err != nil {
			return err
		}
		for left := uint64(1); left > 0 && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) { // between two looks
			info, err := s.Info(ctx)
			if err != nil {
				return err
			}
			left = info.State.Msgs
		}
		c.MaxAge, c.Duplicates = keep, 2*time.Minute
		_, err = js.UpdateStream(ctx, c)
		return err
	})
}
