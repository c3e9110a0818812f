package tcnsim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// try posts a start on a connection of its own and says what came back.
func (d *desk) try(body string, patience time.Duration) (status int, answer string, err error) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/api/v0alpha/"+paths()[tcnsim.OpStart], strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// Every mode, on a start: whether it rang, and what the caller hears.
func TestEveryFaultMode(t *testing.T) {
	t.Parallel()
	tested := map[sim.Mode]bool{}
	for _, tc := range []struct {
		fault  sim.Fault
		rang   int
		status int  // 0: no answer
		cut    bool // the answer does not come whole
	}{
		{sim.Fault{Mode: sim.Late, Delay: sim.Duration(20 * time.Millisecond)}, 1, 200, false},
		{sim.Fault{Mode: sim.LateEffect, Delay: sim.Duration(20 * time.Millisecond)}, 1, 200, false},
		{sim.Fault{Mode: sim.Double}, 2, 200, false},
		{sim.Fault{Mode: sim.Silent}, 0, 0, true},
		{sim.Fault{Mode: sim.HTTP500}, 0, 500, false},
		{sim.Fault{Mode: sim.HTTPStatus, Status: 429}, 0, 429, false},
		{sim.Fault{Mode: sim.Reset}, 0, 0, true},
		{sim.Fault{Mode: sim.Drip}, 1, 200, true},
		{sim.Fault{Mode: sim.AcceptThen500}, 1, 500, false},
		{sim.Fault{Mode: sim.AcceptThenStatus, Status: 503}, 1, 503, false},
		{sim.Fault{Mode: sim.AcceptThenSilent}, 1, 0, true},
		{sim.Fault{Mode: sim.AcceptThenReset}, 1, 0, true},
		{sim.Fault{Mode: sim.CloseKeepalive}, 1, 0, true},
		{sim.Fault{Mode: sim.BrokenJSON}, 1, 200, false},
		{sim.Fault{Mode: sim.Lost}, 1, 0, true},
	} {
		tested[tc.fault.Mode] = true
		t.Run(string(tc.fault.Mode), func(t *testing.T) {
			t.Parallel()
			d, start := scrubbed(t, tcnsim.Options{})
			tc.fault.Operation, tc.fault.Number = tcnsim.OpStart, "1234"
			if _, err := d.sim.Faults.Add(tc.fault); err != nil {
				t.Fatal(err)
			}
			grown := d.sim.Ledger().Grown()
			status, answer, err := d.try(text(t, start), 200*time.Millisecond)
			if status != tc.status || (err != nil) != tc.cut {
				t.Errorf("heard %d %q, %v", status, answer, err)
			}
			if valid := json.Valid([]byte(answer)); tc.fault.Mode == sim.BrokenJSON && valid {
				t.Errorf("%q is whole", answer)
			}
			if tc.fault.Mode == sim.LateEffect {
				<-grown
			}
			if n := d.sim.Ledger().Count(sim.Start, ""); n != tc.rang {
				t.Errorf("it rang %d times, want %d", n, tc.rang)
			}
			if h := d.sim.History(tcnsim.Name, tcnsim.OpStart, ""); len(h) != 1 || h[0].Fault != tc.fault.Mode {
				t.Errorf("history %+v", h)
			}
			if left := d.sim.Faults.List(); len(left) != 0 {
				t.Errorf("left %v", left)
			}
		})
	}
	for _, m := range sim.Modes() {
		if !tested[m] {
			t.Errorf("nobody tests %s", m)
		}
	}
}
