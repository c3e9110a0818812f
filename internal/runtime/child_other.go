//go:build !linux

package runtime

import "syscall"

// childAttr: elsewhere than on Linux a killed parent leaves its child behind.
func childAttr() *syscall.SysProcAttr { return nil }
