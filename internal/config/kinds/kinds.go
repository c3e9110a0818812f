// Package kinds is the one list of the providers that can be configured. A new
// provider adds its folder and a line here.
package kinds

import (
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/providers/acqueon/five9"
	"github.com/outdial/outdial/pkg/providers/acqueon/webexcc"
	"github.com/outdial/outdial/pkg/providers/tcn"
)

// All returns every kind: those that are built, and those whose names are
// taken and whose building is still to come.
func All() config.Kinds {
	return config.Kinds{
		tcn.Product(),
		webexcc.Product(),
		five9.Product(),
		{Kind: "ipscape"},
		{Kind: "ujet"},
	}
}
