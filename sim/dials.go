package sim

import "github.com/outdial/outdial/internal/audit"

// Dials reads the dials out of one simulator's ledger, whole and in its order,
// for the judge: each accepted start, what it rang, up to the first sign of its end.
func Dials(entries []Entry) []audit.Dialed {
	var out []audit.Dialed
	type line struct{ provider, agent, call string }
	open := map[line][]int{} // dials without an end yet, by place in out
	for _, e := range entries {
		l := line{e.Provider, e.Agent, e.ProviderCall}
		switch e.Kind {
		case Start:
			open[l] = append(open[l], len(out))
			out = append(out, audit.Dialed{At: e.At, Provider: e.Provider, Agent: e.Agent, Number: e.Number,
				ProviderCall: e.ProviderCall, Correlation: e.Correlation})
		case Ring:
			for _, i := range open[l] {
				if e.Number != "" {
					out[i].Rang = append(out[i].Rang, audit.Rung{At: e.At, Number: e.Number})
				}
			}
		case End, Wrap, Ready:
			for _, i := range open[l] {
				out[i].Until = e.At
			}
			delete(open, l)
		}
	}
	return out
}
