package marks

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	openName    = "open.json"
	openVersion = 1
)

// An Open is which calls were open at a place of CALLS, and whose customer was, so that a start need
// not hear the stream from its beginning. It is a shortcut and proves nothing:
// one that does not fit is thrown away.
type Open struct {
	Created time.Time   `json:"created"`         // the stream's, by the server's clock
	Epoch   uint64      `json:"epoch,omitempty"` // how many stores had been accepted
	Seq     uint64      `json:"seq"`
	ID      string      `json:"id"`    // of the event there
	Calls   [][2]string `json:"calls"` // tenant and call
	// Handed are those whose customer was handed on and is on a line of ours
	// still; nil: an earlier version wrote this, which did not know.
	Handed [][2]string `json:"handed"`
}

// Fits says why a stream is not the one that the calls were open in, "" if it
// is. The view is a look at Seq, epoch how many stores were accepted since one
// went back: what was appended to it again may bear the same ids.
func (o Open) Fits(v View, epoch uint64) string {
	switch {
	case o.Epoch != epoch:
		return "another store was accepted since"
	case !v.Created.Equal(o.Created):
		return "the stream was made anew"
	case v.Last < o.Seq:
		return fmt.Sprintf("the stream ends at %d", v.Last)
	case v.ID == "" || v.ID != o.ID:
		return fmt.Sprintf("another event is at %d, or none", o.Seq)
	}
	return ""
}

type openFile struct {
	Version int             `json:"version"`
	Sum     uint32          `json:"sum"` // CRC-32 of Open as it stands in the file
	Open    json.RawMessage `json:"open"`
}

// SaveOpen replaces what is kept of the open calls.
func SaveOpen(dir string, o Open) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	text, err := json.Marshal(openFile{openVersion, crc32.ChecksumIEEE(body), body})
	if err != nil {
		return err
	}
	return replace(dir, openName, text)
}

// LoadOpen reads what is kept of the open calls; nil: nothing. The error is
// that it cannot be used.
func LoadOpen(dir string) (*Open, error) {
	text, err := os.ReadFile(filepath.Join(dir, openName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f openFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, errors.New("it cannot be read")
	}
	if f.Version != openVersion {
		return nil, fmt.Errorf("it is of version %d", f.Version)
	}
	if crc32.ChecksumIEEE(f.Open) != f.Sum {
		return nil, errors.New("its checksum is wrong")
	}
	var o Open
	if err := json.Unmarshal(f.Open, &o); err != nil {
		return nil, errors.New("it cannot be read")
	}
	return &o, nil
}
