package rig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/outdial/outdial/internal/runtime"
)

// A Copy is a copy of the store, and of what the services know of it, as an
// operator or a snapshot of a disk would have it.
type Copy struct{ dir string }

// CopyStore copies the store as it is, under the running server, as a snapshot
// of its disk would: what was acknowledged is in it.
func (r *Rig) CopyStore() Copy {
	r.t.Helper()
	c := Copy{r.t.TempDir()}
	for _, part := range []string{"nats", "state"} {
		var err error
		for range 20 { // a file that is being replaced may be gone when it is read
			to := filepath.Join(c.dir, part)
			if err = errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(filepath.Join(r.Dir, part)))); err == nil {
				break
			}
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return c
}

// PutBack puts a copy in the place of the store, whoever runs on it. With
// memory, what the services knew of the store is put back too; they must be
// down for that.
func (r *Rig) PutBack(c Copy, memory bool) {
	r.t.Helper()
	parts := []string{"nats"}
	if memory {
		parts = append(parts, "state")
	}
	r.nats.Stop()
	for _, part := range parts {
		at := filepath.Join(r.Dir, part)
		if err := os.RemoveAll(at); err != nil {
			r.t.Fatal(err)
		}
		if err := os.CopyFS(at, os.DirFS(filepath.Join(c.dir, part))); err != nil {
			r.t.Fatal(err)
		}
	}
	r.putBack = true
	r.startNATS(r.natsURL[len("nats://"):], r.monitorURL[len("http://"):])
	r.watch.again(r)
}

// Accept accepts the store in somebody's name, as `outdial resolve-regression`
// does.
func (r *Rig) Accept() runtime.Forsaken {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	f, err := runtime.Accept(ctx, r.JS, "e2e", "a test", r.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

// Ready reports whether a copy of a service calls itself ready.
func (r *Rig) Ready(name string, copy int) bool { return r.running[name][copy].ready() }

// again reads the streams from their beginning, as if nothing had been heard.
func (w *watch) again(r *Rig) {
	r.t.Helper()
	w.stop()
	for _, t := range w.ends {
		<-t.Done()
	}
	w.forget()
	deadline := time.Now().Add(soon)
	for !r.NC.IsConnected() && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	w.begin(context.Background(), r.t, r.JS)
}

// Forget takes away what the services know of the store; they must be down.
func (r *Rig) Forget() {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.Dir, "state")); err != nil {
		r.t.Fatal(err)
	}
}
