// Package chaos_test kills services, as processes, with kill -9 at moments it
// does not choose, and takes the log's server away, while calls go on and the
// telephone company misbehaves. Afterwards everything has to heal, and the log
// and the company's ledger have to prove the invariants.
package chaos_test

import (
	"os"
	"testing"

	"github.com/outdial/outdial/test/rig"
)

func TestMain(m *testing.M) {
	serveStore()
	os.Exit(rig.Main(m, true))
}
