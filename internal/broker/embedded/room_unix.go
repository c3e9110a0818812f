//go:build linux || darwin

package embedded

import "syscall"

// freeOf is what a disk has free for us, in bytes.
func freeOf(dir string) (int64, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(min(s.Bavail, 1<<40)) * int64(s.Bsize), true
}
