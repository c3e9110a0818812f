package simulation

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	mrand "math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/outdial/outdial/services/compliance"
	"github.com/outdial/outdial/services/compliance/zones"
)

// seeded makes every random id the seed's: nobody here needs a secret one.
func seeded(t testing.TB, seed uint64) {
	t.Helper()
	was := rand.Reader
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	rand.Reader = io.Reader(mrand.NewChaCha8(key))
	t.Cleanup(func() { rand.Reader = was })
}

// TestMain lets memory go later: a world's garbage is the test's only load.
func TestMain(m *testing.M) {
	debug.SetGCPercent(1000)
	os.Exit(m.Run())
}

func play(t testing.TB, seed uint64, o Options) Result {
	t.Helper()
	seeded(t, seed)
	table, err := zones.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	sets, err := compliance.Rulesets("")
	if err != nil {
		t.Fatal(err)
	}
	return Run(seed, o, table, sets)
}

// unkind is the world that the promises are tried in, with agents who are claimed
// and of whom the companies tell.
func unkind() Options { return Options{Calls: 80, deaths: 4000, odd: 100} }

// listed is the same of companies that tell of calls alone.
func listed() Options {
	o := unkind()
	o.listed = true
	return o
}

// either is one or the other, by the seed.
func either(seed uint64) Options {
	if seed%2 == 0 {
		return listed()
	}
	return unkind()
}

func TestTheSameSeedTellsTheSameStory(t *testing.T) {
	before := ""
	for seed := range uint64(4) {
		o := either(seed)
		o.Calls /= 2
		a, b := play(t, seed, o), play(t, seed, o)
		if a.Hash != b.Hash {
			t.Errorf("seed %d: the logs are %s the first time and %s the second", seed, a.Hash, b.Hash)
		}
		if seed > 0 && a.Hash == before {
			t.Errorf("seeds %d and %d tell one story", seed-1, seed)
		}
		before = a.Hash
	}
}

// Whatever the seed lets go wrong: no call without a pass, none twice, each
// ends once, no agent on two, and nobody who was talked to counts as not
// reached. OUTDIAL_SIM_CALLS says how many calls, OUTDIAL_SIM_SEED which seed
// is the first.
func TestWhateverGoesWrongNoPromiseIsBroken(t *testing.T) {
	want, seed := number("OUTDIAL_SIM_CALLS", calls), uint64(number("OUTDIAL_SIM_SEED", 1))
	if inParts(t, want, seed) {
		return
	}
	total, closed, began := 0, map[string]int{}, time.Now()
	for ; total < want; seed++ {
		r := play(t, seed, either(seed))
		total += r.Calls
		for k, n := range r.Closed {
			closed[k] += n
		}
		for k, n := range r.Counts {
			closed["("+k+")"] += n
		}
		if len(r.Broken) > 0 {
			tell(t, r)
			break
		}
	}
	took := time.Since(began)
	t.Logf("%d calls in %s, %.0f a second: %v", total, took.Round(time.Millisecond), float64(total)/took.Seconds(), closed)
}

// What the controls of the services' guards turn red.
func TestTheFirstWorldsAreWhole(t *testing.T) {
	if seed, what := firstRed(t, unkind(), worlds); what != "" {
		t.Errorf("seed %d: %s", seed, what)
	}
}

func TestTheFirstListedWorldsAreWhole(t *testing.T) {
	if seed, what := firstRed(t, listed(), 3*worlds); what != "" {
		t.Errorf("seed %d: %s", seed, what)
	}
}

// A judge who finds nothing wrong with a world that lacks a guard proves nothing.
func TestAWorldWithoutAGuardIsFoundOut(t *testing.T) {
	for i, seeds := range []int{compareAndSet: 3, winning: 20, silence: 5} {
		for _, o := range []Options{unkind(), listed()} {
			o.broken = guard(i)
			if seed, what := firstRed(t, o, seeds); what != "" {
				t.Logf("guard %d, listed %t: found out by seed %d: %s", i, o.listed, seed, what)
			} else if seeds > 0 {
				t.Errorf("guard %d, listed %t: nothing is broken without it in %d worlds", i, o.listed, seeds)
			}
		}
	}
}

// firstRed plays worlds until a promise is broken in one.
func firstRed(t *testing.T, o Options, seeds int) (uint64, string) {
	for seed := range uint64(seeds) {
		if b := play(t, seed, o).Broken; len(b) > 0 {
			return seed, b[0]
		}
	}
	return 0, ""
}

// tell says what is broken, how to see it again, and the logs of the first call
// that it is about.
func tell(t *testing.T, r Result) {
	t.Helper()
	for _, b := range r.Broken {
		t.Error(b)
	}
	t.Errorf("seed %d; again: OUTDIAL_SIM_SEED=%d OUTDIAL_SIM_CALLS=1 go test -count=1 -run '^%s$' ./test/simulation", r.Seed, r.Seed, t.Name())
	if len(r.Involved) > 0 {
		t.Logf("%s\n%s", r.Involved[0], r.Story(r.Involved[0]))
	}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
