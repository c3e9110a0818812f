package ops

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/cmd/outdial/internal/app"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/events"
)

// An older store under `outdial up`: it comes up all the same, its dialer
// stands, the doctor says why, and the command sets it going.
func TestAStoreThatWentBackIsSaidAndAccepted(t *testing.T) {
	dir := t.TempDir()
	text := fmt.Sprintf(`nats: {store: %q, listen: "127.0.0.1:0"}
http: {listen: "127.0.0.1:0"}
tenants:
  acme: {countries: [US], ruleset: us-federal, connection: tcn, key: {file: %q}}
connections:
  tcn: {kind: tcn, tenant: acme, baseURL: "http://127.0.0.1:9"}
`, filepath.Join(dir, "nats"), filepath.Join(dir, "acme.key"))
	key := base64.StdEncoding.EncodeToString(events.NewKey())
	if err := os.WriteFile(filepath.Join(dir, "acme.key"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	noEnv := func(string) string { return "" }
	cfg, err := config.Parse("outdial.yaml", []byte(text), noEnv, config.Options{Kinds: kinds.All()})
	if err != nil {
		t.Fatal(err)
	}
	start := func() *app.App {
		t.Helper()
		a, err := app.Start(t.Context(), app.Options{Config: cfg, Version: "0.0.1", Unsafe: true, LogTo: io.Discard, Getenv: noEnv})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	start().Close()
	longer := marks.Known{Marks: map[string]marks.Mark{events.StreamCalls: {Seq: 1000, ID: "lost"}}}
	if err := marks.Save(filepath.Join(dir, "state", "dialer"), longer); err != nil {
		t.Fatal(err)
	}
	a := start()
	defer a.Close()
	cfg.NATS.Listen = strings.TrimPrefix(a.NATS, "nats://") // a port that was looked for before could be somebody's by now

	doctor := func() string {
		var out bytes.Buffer
		_ = Doctor(t.Context(), DoctorOptions{Config: cfg, Unsafe: true, Getenv: noEnv, Out: &out}) // this machine's fsync is another matter
		return out.String()
	}
	says := func(want string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			got := doctor()
			if strings.Contains(got, want) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the doctor does not say %q:\n%s", want, got)
			}
		}
	}
	ready := func() (int, string) {
		res, err := http.Get("http://" + a.Addr + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	resolve := func(dry bool) (string, error) {
		var out bytes.Buffer
		err := ResolveRegression(context.WithoutCancel(t.Context()), cfg, ResolveOptions{By: "ops-1", Reason: "restored", DryRun: dry, Out: &out})
		return out.String(), err
	}

	says("WENT BACK IN TIME: CALLS: it ends at 0, it was known up to 1000")
	if code, text := ready(); code != http.StatusServiceUnavailable || !strings.Contains(text, `"dialer":"stopped: the store went back in time"`) {
		t.Errorf("/readyz: %d %s", code, text)
	}
	if text, err := resolve(true); err != nil || !strings.Contains(text, "would close") {
		t.Errorf("a dry run: %s, %v", text, err)
	}
	says("WENT BACK IN TIME") // and changed nothing
	if text, err := resolve(false); err != nil || !strings.Contains(text, "accepted") {
		t.Errorf("%s, %v", text, err)
	}
	says("never went back since it was accepted")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if code, text := ready(); code == http.StatusOK {
			break
		} else if time.Now().After(end) {
			t.Fatalf("/readyz: %d %s", code, text)
		}
	}
	if _, err := resolve(false); !errors.Is(err, runtime.ErrNothingToAccept) {
		t.Errorf("accepted twice: %v", err)
	}
}

func TestNobodyAcceptsAStoreWithoutAName(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"", "why"}, {"who", ""}, {" ", "why"}, {"who", strings.Repeat("x", 201)}} {
		if Named(c[0], c[1]) == nil {
			t.Errorf("%q because of %q is taken", c[0], c[1])
		}
	}
	if err := Named("ops-1", "the disk was restored"); err != nil {
		t.Error(err)
	}
}
