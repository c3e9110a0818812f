package rig

import "syscall"

// childAttr makes the kernel end a service when the test dies, however it
// dies.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
