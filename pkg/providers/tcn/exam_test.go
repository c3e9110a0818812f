package tcn_test

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/exams/providertest"
)

func TestTheExamOfEveryProvider(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Dialect{
		Product: tcn.Product(),
		Settings: func(url string) providers.Section {
			return &tcn.Config{BaseURL: url, Timeout: 5 * time.Second, MetadataAliases: aliased()}
		},
		Company: func() providertest.Company {
			r := newRig(t, tcnsim.Options{}, nil)
			return providertest.Company{URL: r.url, Order: func() providers.Order { return r.prepared(order()) },
				Placed: func() int { return r.sim.Ledger().Count(sim.Start, "") }}
		},
		News: [][]byte{sample(t, "05-agent-status-ready.response.json"), saying(t, "PEERED").Body},
		Order: func() providers.Order {
			o := order()
			o.Scrub = &events.Scrub{
				OK: true, State: map[string]string{"callSid": "234567890", "taskGroupSid": "765432", "startTime": "1704150360",
					"sessionSid": sampleSession, "huntGroupSid": sampleGroup, "countryCode": "1"},
			}
			return o
		},
		Yes: "{}", AnyBodyIsYes: true,
		Secrets: []string{"4355551234", "ABC1234", "84770", "token-" + sampleAgent, "8667451900"},
	})
}
