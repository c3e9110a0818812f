package simulation

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// summary is the line that a run ends with.
var summary = regexp.MustCompile(`\d+ calls in .*`)

// inParts plays the worlds from a seed on in as many processes as there are
// processors: a world has one thread, and the ids that it makes up are its
// process's. It is false where there is nothing to share.
func inParts(t *testing.T, calls int, seed uint64) bool {
	parts := runtime.GOMAXPROCS(0)
	each := (calls/unkind().Calls + parts - 1) / parts
	if os.Getenv("OUTDIAL_SIM_PART") != "" || parts == 1 || each < 2 {
		return false
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	left := 10 * time.Minute
	if end, ok := t.Deadline(); ok {
		left = time.Until(end)
	}
	var all sync.WaitGroup
	for n := range parts {
		all.Go(func() {
			first := seed + uint64(n*each)
			cmd := exec.CommandContext(t.Context(), self, "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", left.String())
			cmd.Env = append(os.Environ(), "OUTDIAL_SIM_PART=1", "GOMAXPROCS=1", fmt.Sprintf("OUTDIAL_SIM_SEED=%d", first),
				fmt.Sprintf("OUTDIAL_SIM_CALLS=%d", each*unkind().Calls))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
				return
			}
			t.Logf("seeds %d to %d: %s", first, first+uint64(each)-1, strings.TrimSpace(summary.FindString(string(out))))
		})
	}
	all.Wait()
	return true
}
