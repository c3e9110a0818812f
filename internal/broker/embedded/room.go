package embedded

import (
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
)

// DefaultRoom is what the streams may hold together where nobody said, in
// bytes.
const DefaultRoom = 16 << 30

// Room is what the streams of a store may hold together where nobody said:
// DefaultRoom, or on a small disk the largest power of two within three
// quarters of what the store has and what is free. So it is the same at every
// start, unless the disk has really changed.
func Room(dir string) int64 {
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil { // the store may not be there yet
			free, ok := freeOf(d)
			if !ok {
				return DefaultRoom
			}
			return Rounded((free + held(dir)) / 4 * 3)
		}
		if d == filepath.Dir(d) {
			return DefaultRoom
		}
	}
}

// Rounded is the largest power of two that is not more than n, at most
// DefaultRoom.
func Rounded(n int64) int64 {
	if n <= 0 || n >= DefaultRoom {
		return DefaultRoom
	}
	return 1 << (bits.Len64(uint64(n)) - 1)
}

// held is what a folder's files take.
func held(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // gone meanwhile: files of a store come and go
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
