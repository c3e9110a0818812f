package webexcc

import (
	"github.com/outdial/outdial/test/exams/bustest"
	"testing"
)

func TestTheProvidersWordForAFailure(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"CUSTOMER_BUSY": "busy", "CUSTOMER_NOT_ANSWERED": "no_answer", "INVALID_NUMBER": "invalid_number",
		"REJECTED": "rejected", "whatever": "provider_failed", "": "provider_failed",
	} {
		o := one(t, message(t, event("AgentOutboundFailed"), func(m object) {
			bustest.At(m, "message", "call", "ResponseActual", "data")["reason"] = word
		}), view())
		if o.Reason != want || o.Attrs["reason"] != word {
			t.Errorf("%q: reason %q, attribute %q, want %q", word, o.Reason, o.Attrs["reason"], want)
		}
	}
	o := one(t, message(t, event("AgentOutboundFailed"), func(m object) {
		bustest.At(m, "message", "call", "ResponseActual", "data")["reason"] = "could not reach +91 77027 79401"
	}), view())
	if o.Attrs["reason"] != "" {
		t.Errorf("a reason with a number in it was kept")
	}
}
