package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A usage is CPU time by the name of a process.
type usage map[string]time.Duration

func (u usage) less(before usage) usage {
	out := usage{}
	for name, d := range u {
		out[name] = d - before[name]
	}
	return out
}

func (u usage) sum() (all time.Duration) {
	for _, d := range u {
		all += d
	}
	return all
}

// perCall is each process' share of so many calls, in ms; nil where nothing is
// known.
func (u usage) perCall(calls float64) map[string]float64 {
	if u.sum() <= 0 || calls == 0 {
		return nil
	}
	out := map[string]float64{}
	for name, d := range u {
		out[name] = ms(d) / calls
	}
	return out
}

// A sample is what one turn under load gave.
type sample struct {
	took   time.Duration
	calls  float64
	cpu    usage
	around around
}

func (s sample) rate() float64 { return s.calls / s.took.Seconds() }

// cost is ms of CPU a call.
func (s sample) cost() float64 { return ms(s.cpu.sum()) / max(s.calls, 1) }

// An around is what the machine did besides; Linux alone tells.
type around struct {
	own     time.Duration // of this process: the simulated world
	busy    time.Duration // all processors, with the kernel's own work
	idle    time.Duration // with nothing to do
	disk    time.Duration // with nothing to do but wait for a disk
	flushes int           // of disks: what fsync comes to
}

func (a around) less(b around) around {
	return around{a.own - b.own, a.busy - b.busy, a.idle - b.idle, a.disk - b.disk, a.flushes - b.flushes}
}

func aroundNow() around {
	a := around{own: ownCPU()}
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	for i, f := range strings.Fields(line) { // cpu user nice system idle iowait irq softirq …, in hundredths of a second
		n, _ := strconv.Atoi(f)
		switch d := time.Duration(n) * 10 * time.Millisecond; i {
		case 1, 2, 3, 6, 7:
			a.busy += d
		case 4:
			a.idle = d
		case 5:
			a.disk = d
		}
	}
	text, _ = os.ReadFile("/proc/diskstats")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 18 {
			n, _ := strconv.Atoi(f[18])
			a.flushes += n
		}
	}
	return a
}

// ownCPU is what this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuOf is what a process has used; Linux alone tells.
func cpuOf(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := bytes.Cut(text, []byte(") "))
	if err != nil || !ok {
		return 0
	}
	var sum time.Duration
	for _, f := range strings.Fields(string(rest))[11:13] { // utime and stime, in hundredths of a second
		n, _ := strconv.Atoi(f)
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}

// children are the processes that a process has started.
func children(pid int) (pids []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, f := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(f); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// memory is what a process holds, in MiB.
func memory(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n >> 10
		}
	}
	return 0
}
