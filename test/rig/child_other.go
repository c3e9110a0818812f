//go:build !linux

package rig

import "syscall"

// childAttr: elsewhere than on Linux a killed test leaves its services behind.
func childAttr() *syscall.SysProcAttr { return nil }
