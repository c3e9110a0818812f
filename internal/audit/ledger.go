package audit

import "github.com/outdial/outdial/sim"

// Ledger takes one simulator's ledger, whole and in its order. Several
// simulators are taken one after the other.
func (j *Judge) Ledger(entries []sim.Entry) {
	j.Dialed(DialsOf(entries)...)
}

// DialsOf reads the dials out of a simulator's ledger: each accepted start, up
// to the first sign of its end.
func DialsOf(entries []sim.Entry) []Dialed {
	var out []Dialed
	type line struct{ provider, agent, call string }
	open := map[line][]int{} // dials without an end yet, by place in out
	for _, e := range entries {
		l := line{e.Provider, e.Agent, e.ProviderCall}
		switch e.Kind {
		case sim.Start:
			open[l] = append(open[l], len(out))
			out = append(out, Dialed{At: e.At, Provider: e.Provider, Agent: e.Agent, Number: e.Number,
				ProviderCall: e.ProviderCall, Correlation: e.Correlation})
		case sim.End, sim.Wrap, sim.Ready:
			for _, i := range open[l] {
				out[i].Until = e.At
			}
			delete(open, l)
		}
	}
	return out
}
