package embedded

import (
	"os"
	"runtime"
)

// flushing is how many threads more than processors may run.
const flushing = 8

// MoreThreads lets this process run more threads than there are processors. A
// log is flushed before anything of it is acknowledged, and who waits for a disk
// keeps Go's leave to run until it is noticed that he waits. With as many
// leaves as processors, two logs that are flushed stop everything else, though
// the processors are at rest; a server of its own has handlers besides that
// want them. GOMAXPROCS in the environment wins, and where a container's
// quota gives less than the machine has nothing changes: more threads would use
// it up in bursts.
func MoreThreads() {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	runtime.SetDefaultGOMAXPROCS()
	if n := runtime.GOMAXPROCS(0); n == runtime.NumCPU() {
		runtime.GOMAXPROCS(n + flushing)
	}
}
