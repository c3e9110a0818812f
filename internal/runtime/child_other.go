//go:build !linux

package runtime

import "syscall"

// childAttr: elsewhere than on Linux a killed parent leaves its child behind,
// and a Ctrl-C in a terminal ends the child as well, which is logged.
func childAttr() *syscall.SysProcAttr { return nil }
