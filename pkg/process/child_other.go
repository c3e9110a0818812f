//go:build !linux

package process

import "syscall"

// childAttr: elsewhere than on Linux a killed parent leaves its child behind.
func childAttr() *syscall.SysProcAttr { return nil }
