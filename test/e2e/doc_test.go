// Package e2e_test tells stories about the whole of outdial: real requests, a
// real log, real Redis, and telephone companies that are simulated down to
// their wires and keep a ledger of their own.
package e2e_test

import (
	"os"
	"testing"

	"github.com/outdial/outdial/test/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m, false)) }
