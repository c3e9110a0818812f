package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Management is the simulator's own API, for tests and demonstrations:
//
//	GET    /sim/ledger               the entries
//	GET    /sim/history              requests seen: ?provider=&operation=&agent=
//	GET    /sim/agents               every dialect's agents
//	POST   /sim/agents/{provider}/{agent}   change one, keys as in the dialect's Set
//	GET    /sim/faults · POST a Fault · DELETE all, or /sim/faults/{id}
//	GET    /sim/answers · POST a Part · DELETE all
func (s *Simulator) Management() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /sim/ledger", func(w http.ResponseWriter, _ *http.Request) { sayJSON(w, s.ledger.Entries()) })
	m.HandleFunc("GET /sim/history", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		sayJSON(w, s.History(q.Get("provider"), q.Get("operation"), q.Get("agent")))
	})
	m.HandleFunc("GET /sim/agents", func(w http.ResponseWriter, _ *http.Request) { sayJSON(w, s.Agents()) })
	m.HandleFunc("POST /sim/agents/{provider}/{agent}", s.setAgent)
	m.HandleFunc("GET /sim/faults", func(w http.ResponseWriter, _ *http.Request) { sayJSON(w, s.Faults.List()) })
	m.HandleFunc("POST /sim/faults", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		if hear(w, r, &f) {
			id, err := s.Faults.Add(f)
			answer(w, map[string]int{"id": id}, err)
		}
	})
	m.HandleFunc("DELETE /sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.Faults.Remove(0)
		sayJSON(w, s.Faults.List())
	})
	m.HandleFunc("DELETE /sim/faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err == nil && id > 0 {
			s.Faults.Remove(id)
		}
		answer(w, s.Faults.List(), err)
	})
	m.HandleFunc("GET /sim/answers", func(w http.ResponseWriter, _ *http.Request) { sayJSON(w, s.Script.List()) })
	m.HandleFunc("POST /sim/answers", func(w http.ResponseWriter, r *http.Request) {
		var p Part
		if hear(w, r, &p) {
			answer(w, p, s.Script.Set(p))
		}
	})
	m.HandleFunc("DELETE /sim/answers", func(w http.ResponseWriter, _ *http.Request) {
		s.Script.Clear()
		sayJSON(w, s.Script.List())
	})
	return m
}

// Agents is a snapshot of every dialect's agents.
func (s *Simulator) Agents() []AgentView {
	out := []AgentView{}
	for _, d := range s.registered() {
		out = append(out, d.Agents()...)
	}
	return out
}

func (s *Simulator) registered() []Dialect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Dialect(nil), s.dialects...)
}

func (s *Simulator) setAgent(w http.ResponseWriter, r *http.Request) {
	var change map[string]any
	if !hear(w, r, &change) {
		return
	}
	for _, d := range s.registered() {
		if d.Name() == r.PathValue("provider") {
			answer(w, d.Agents(), d.Set(r.PathValue("agent"), change))
			return
		}
	}
	answer(w, nil, fmt.Errorf("no dialect of that name"))
}

func hear(w http.ResponseWriter, r *http.Request, out any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		answer(w, nil, err)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sayJSON(w, v)
}

func sayJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	Reply{Status: http.StatusOK, Body: b}.Say(w)
}
