// Package dialects is the one list of the companies that the simulator plays. A
// new one adds its package beside the others and a line here.
package dialects

import (
	"net/http"

	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// Open adds a company with so many agents to a simulator; it is what answers
// requests to it.
type Open func(s *sim.Simulator, agents int) (http.Handler, error)

// All lists them by the kind whose provider they play. One without an Open is
// spoken at agents' desktops alone, by desktopsim.
func All() map[providers.Kind]Open {
	return map[providers.Kind]Open{
		providers.TCN:     openTCN,
		providers.WebexCC: nil,
		providers.Five9:   nil,
	}
}

func openTCN(s *sim.Simulator, agents int) (http.Handler, error) {
	return tcnsim.New(s, tcnsim.Options{Agents: tcnsim.Agents(agents)})
}

// Serve is every company's front and the management's: a company is below its
// kind, and TCN at the root besides, where it was when it was the only one.
func Serve(s *sim.Simulator, agents int) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle("/sim/", s.Management())
	for kind, open := range All() {
		if open == nil {
			continue
		}
		company, err := open(s, agents)
		if err != nil {
			return nil, err
		}
		mux.Handle("/"+string(kind)+"/", http.StripPrefix("/"+string(kind), company))
		if kind == providers.TCN {
			mux.Handle("/", company)
		}
	}
	return mux, nil
}
