//go:build unix

package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lock takes the store for this process: two servers in one folder would
// overwrite each other's log. The system lets go of it however the process
// ends.
func lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("embedded nats-server: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "outdial.lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("embedded nats-server: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("embedded nats-server: the store %s is in use: another outdial runs on it", dir)
	}
	return f, nil
}

// unlock lets go of the store, though a child that is being started at this
// moment holds a copy of the file.
func unlock(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	_ = f.Close() // a second time does no harm
}
