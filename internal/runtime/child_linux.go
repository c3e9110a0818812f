package runtime

import "syscall"

// childAttr makes the kernel end the child when this process dies, however it
// dies.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
