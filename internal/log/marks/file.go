package marks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fileName is where the marks are, in a process's folder.
const fileName = "marks.json"

// Load reads what was known when the process last wrote; nil when it never
// did. A file that cannot be read is an error and not nothing: to take it for
// nothing would be to believe any store.
func Load(dir string) (*Known, error) {
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("what was known of the store: %w", err)
	}
	k, err := Read(text)
	if err != nil {
		return nil, fmt.Errorf("what was known of the store, %s: %w; if it cannot be mended, remove it: the store is believed then", filepath.Join(dir, fileName), err)
	}
	return k, nil
}

// Save replaces what is kept, and returns when it is on disk. A crash leaves
// the old or the new.
func Save(dir string, k Known) error {
	text, err := Write(k)
	if err != nil {
		return err
	}
	return replace(dir, fileName, text)
}

func replace(dir, name string, text []byte) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, name+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Read is the inverse of Write.
func Read(text []byte) (*Known, error) {
	k := &Known{}
	if err := json.Unmarshal(text, k); err != nil {
		return nil, err
	}
	if r := k.Regression; r != nil && r.Epoch == 0 {
		return nil, errors.New("a regression without an epoch")
	}
	return k, nil
}

// Write is how marks are kept, in a file or in Redis.
func Write(k Known) ([]byte, error) { return json.Marshal(k) }
