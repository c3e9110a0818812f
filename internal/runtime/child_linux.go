package runtime

import "syscall"

// childAttr makes the kernel end the child when this process dies, however it
// dies. It is in a group of its own, because a terminal's Ctrl-C goes to the
// whole group, and what still drains needs the child.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
