package rig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/sim"
)

// Audit judges the log and the ledger as they stand. Strict wants every call
// closed and every agent given back.
func (r *Rig) Audit(strict bool) audit.Report {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	lost, err := runtime.Lost(ctx, r.JS)
	if err != nil {
		r.t.Fatal(err)
	}
	j := audit.New(audit.Options{Keys: r.Keys, Strict: strict, Lost: lost})
	entries, err := sim.ReadLedger(filepath.Join(r.Dir, "ledger.jsonl"))
	if err != nil {
		r.t.Fatal(err)
	}
	j.Dialed(sim.Dials(entries)...)
	if err := audit.Read(ctx, r.JS, j); err != nil {
		r.t.Fatal(err)
	}
	return j.Report(r.Now())
}

// Proved waits until every call is closed and every agent free, and then wants
// the audit to prove all invariants.
func (r *Rig) Proved(within time.Duration) audit.Report {
	r.t.Helper()
	deadline := time.Now().Add(within)
	for {
		report := r.Audit(true)
		if report.Kept() && len(report.Open) == 0 {
			return report
		}
		if time.Now().After(deadline) {
			r.t.Errorf("the audit does not prove the invariants within %s:\n%s\n%s", within, show(report), r.Story())
			return report
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func show(report audit.Report) string {
	var b strings.Builder
	_ = report.Write(&b)
	return b.String()
}

// questions are what every test is asked at its end.
func (r *Rig) questions() {
	r.t.Helper()
	if !r.opts.Unjudged && !r.t.Failed() {
		r.Proved(r.opts.Closing)
	}
	r.nothingPersonal()
	if !r.putBack {
		r.oneIntent()
	}
}

// oneIntent is a check of the rig's own, beside the audit's: no call has two
// intents but where the first is proved to have placed nothing, and no number
// more dials than it has intents that stand.
func (r *Rig) oneIntent() {
	r.t.Helper()
	intents := map[string]int{}
	for _, c := range r.Calls() {
		n := 0
		for _, e := range c.Log {
			if e.Name == "dialing" {
				n++
			}
			if w, ok := e.Body.(*events.CallWithheld); ok && w.Proof == "no_responders" {
				n--
			}
		}
		if n > 1 {
			r.t.Errorf("call %s has %d intents", c.ID, n)
		}
		if c.Request != nil {
			intents[c.Request.Request.To] += n
		}
		if len(c.Faults) > 0 {
			r.t.Errorf("call %s has illegal events: %v", c.ID, c.Faults)
		}
		if c.State == lifecycle.None {
			r.t.Errorf("call %s has no beginning", c.ID)
		}
	}
	dials := map[string]int{}
	for _, e := range r.Sim.Ledger().Entries() {
		if e.Kind == sim.Start && e.Detail != "double" {
			dials[e.Number]++
		}
	}
	for number, n := range dials {
		if n > intents[number] {
			r.t.Errorf("the ledger has %d dials to …%s, the log %d intents", n, number[len(number)-2:], intents[number])
		}
	}
}

// nothingPersonal looks for numbers, metadata and credentials in every log
// line, metric, OPS and REJECTED entry (I7).
func (r *Rig) nothingPersonal() {
	r.t.Helper()
	places := r.places()
	canaries := append([]string{"canary-"}, r.secrets...)
	r.mu.Lock()
	for _, n := range r.numbers {
		canaries = append(canaries, strings.TrimPrefix(n, "+1"))
	}
	r.mu.Unlock()
	for where, text := range places {
		for _, c := range canaries {
			if i := strings.Index(text, c); c != "" && i >= 0 {
				r.t.Errorf("something personal (%s) is in the %s: %q", c, where, text[max(0, i-200):min(len(text), i+80)])
				break
			}
		}
	}
}

// places are all that may not hold anything personal.
func (r *Rig) places() map[string]string {
	r.t.Helper()
	places := map[string]string{"log": r.logs.String()}
	for name, copies := range r.running {
		for i, s := range copies {
			if s != nil && s.ended() == nil {
				places["metrics of "+name] += r.metrics(name, i)
			}
		}
	}
	r.watch.mu.Lock()
	places["OPS and REJECTED"] = strings.Join(r.watch.texts, "\n")
	for k := range r.watch.calls {
		places["subjects"] += k + "\n"
	}
	r.watch.mu.Unlock()
	return places
}

// Spellings looks for words in every place that may not hold anything personal,
// and in the agents' log and Redis too, whatever marks stand between their
// letters, and reports each place that has one.
func (r *Rig) Spellings(words ...string) {
	r.t.Helper()
	places := r.places()
	places["AGENTS"] = r.stored(events.StreamAgents)
	places["Redis"] = r.redis()
	for where, text := range places {
		text = plain(text)
		for _, w := range words {
			if i := strings.Index(text, plain(w)); i >= 0 {
				r.t.Errorf("%s is in the %s: %q", w, where, text[max(0, i-120):min(len(text), i+80)])
			}
		}
	}
}

// plain is a text without its marks.
func plain(text string) string {
	return strings.ToLower(strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) || c == '\n' || c == '*' {
			return c
		}
		return -1
	}, text))
}

// stored is a whole stream as it is stored.
func (r *Rig) stored(stream string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	s, err := r.JS.Stream(ctx, stream)
	if err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	state := s.CachedInfo().State
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		m, err := s.GetMsg(ctx, seq)
		if err != nil {
			continue // an agent keeps its last events alone
		}
		fmt.Fprintln(&b, m.Subject, m.Header, string(m.Data))
	}
	return b.String()
}

// redis is everything in Redis.
func (r *Rig) redis() string {
	r.t.Helper()
	o, err := redis.ParseURL(r.RedisURL)
	if err != nil {
		r.t.Fatal(err)
	}
	c := redis.NewClient(o)
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	keys, err := c.Keys(ctx, "*").Result()
	if err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	for _, k := range keys {
		hash, _ := c.HGetAll(ctx, k).Result() // an error where it is no hash
		set, _ := c.ZRange(ctx, k, 0, -1).Result()
		text, _ := c.Get(ctx, k).Result()
		fmt.Fprintln(&b, k, hash, set, text)
	}
	return b.String()
}

func (r *Rig) metrics(name string, copy int) string {
	r.t.Helper()
	client := http.Client{Timeout: soon}
	res, err := client.Get(fmt.Sprintf("http://%s/metrics", r.addrs[name][copy]))
	if err != nil {
		r.t.Errorf("metrics of %s: %v", name, err)
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		r.t.Errorf("metrics of %s: %d %v", name, res.StatusCode, err)
	}
	return string(b)
}

// Logs is everything that the services logged.
func (r *Rig) Logs() string { return r.logs.String() }
