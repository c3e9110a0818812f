package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/sessions"
)

// Witness is the folder in which `outdial up` keeps what it knows of a store of
// its own once more, out of the folder that is copied and put back as a whole:
// the user's folder for state, one for each machine and store. "" where another
// memory does it, the Redis of redis.url, or where there is no such folder.
func Witness(cfg *config.Config, getenv func(string) string) string {
	base := getenv("XDG_STATE_HOME")
	if home := getenv("HOME"); base == "" && home != "" {
		base = filepath.Join(home, ".local", "state")
	}
	store, err := filepath.Abs(cfg.NATS.Store)
	if cfg.NATS.URL.Reveal() != "" || cfg.Redis.URL.Reveal() != "" || !filepath.IsAbs(base) || err != nil {
		return ""
	}
	machine, _ := os.Hostname() // a home may be shared
	sum := sha256.Sum256([]byte(machine + "\x00" + store))
	return filepath.Join(base, "outdial", hex.EncodeToString(sum[:8]))
}

// witnessed are sessions with a memory of the store beside them; whatever their
// own would be, it is empty after a restart.
type witnessed struct {
	sessions.Store
	dir string
}

// Keep implements runtime.Keeper.
func (w witnessed) Keep(_ context.Context, text []byte) error {
	k, err := marks.Read(text)
	if err != nil {
		return err
	}
	return marks.Save(w.dir, *k)
}

// Kept implements runtime.Keeper.
func (w witnessed) Kept(context.Context) ([]byte, error) {
	k, err := marks.Load(w.dir)
	if k == nil || err != nil {
		return nil, err
	}
	return marks.Write(*k)
}
