package tcn_test

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/test/exams/providertest"
)

func TestTheExamOfEveryProvider(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Dialect{
		New: func(url string) providers.Starter {
			return tcn.New(tcn.Config{BaseURL: url, Timeout: 5 * time.Second}, nil)
		},
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
