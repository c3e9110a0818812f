package logtest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/logtest"
)

var noon = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

func requested(call string) log.Draft {
	return log.Draft{Family: events.CallFamily, Tenant: "acme", Key: call, Role: events.Orchestrator,
		Name: events.Requested, Cause: "request", Time: noon, Body: &events.CallRequested{}}
}

func TestTheTwinSitsTheExam(t *testing.T) {
	t.Parallel()
	logtest.Exam(t, func(*testing.T) log.Leader { return logtest.New(func() time.Time { return noon }) })
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		fault  logtest.Fault
		class  fault.Class
		code   string // "" for no error
		stored bool
	}{
		"somebody was quicker":           {logtest.Conflict, fault.Transient, log.CodeConflict, false},
		"the answer is lost":             {logtest.LostAnswer, 0, "", true},
		"stored, and nobody can say":     {logtest.StoredUnknown, fault.Uncertain, log.CodeAppendUnknown, true},
		"not stored, and nobody can say": {logtest.NotStored, fault.Uncertain, log.CodeAppendUnknown, false},
		"no connection":                  {logtest.Down, fault.Transient, log.CodeUnavailable, false},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			l := logtest.New(nil)
			l.Fail(events.Requested, tc.fault)
			a, err := l.Append(t.Context(), requested("c"))
			if a.Won {
				t.Error("won all the same")
			}
			if tc.code == "" && err != nil || tc.code != "" && (fault.Code(err) != tc.code || fault.Of(err) != tc.class) {
				t.Errorf("err = %v", err)
			}
			_, last := l.Last(t.Context(), events.CallFamily, "acme", "c")
			if stored := !errors.Is(last, log.ErrNone); stored != tc.stored {
				t.Errorf("stored: %v", stored)
			}
			// Once only: the next try finds the log as it stands.
			if b, err := l.Append(t.Context(), requested("c")); err != nil || b.Won == tc.stored {
				t.Errorf("the second try: %+v, %v", b, err)
			}
		})
	}
}

func TestARaceLostOnPurpose(t *testing.T) {
	t.Parallel()
	l := logtest.New(nil)
	l.Before(events.Requested, func() {
		other := requested("c")
		other.Cause = "another"
		if a, err := l.Append(t.Context(), other); err != nil || !a.Won {
			t.Errorf("the quicker one: %+v, %v", a, err)
		}
	})
	if _, err := l.Append(t.Context(), requested("c")); !errors.Is(err, log.ErrConflict) {
		t.Errorf("err = %v", err)
	}
}

func TestCutOffNothingIsReadOrStored(t *testing.T) {
	t.Parallel()
	l := logtest.New(nil)
	l.Cut(true)
	_, e1 := l.Append(t.Context(), requested("c"))
	_, e2 := l.Read(t.Context(), events.CallFamily, "acme", "c", 0)
	_, e3 := l.Last(t.Context(), events.CallFamily, "acme", "c")
	_, e4 := l.At(t.Context(), events.CallFamily, 1)
	for _, err := range []error{e1, e2, e3, e4} {
		if fault.Code(err) != log.CodeUnavailable || fault.Of(err) != fault.Transient {
			t.Errorf("err = %v", err)
		}
	}
	l.Cut(false)
	if a, err := l.Append(t.Context(), requested("c")); err != nil || !a.Won {
		t.Errorf("back again: %+v, %v", a, err)
	}
}

func TestIDsAreForgottenAfterTwoMinutes(t *testing.T) {
	t.Parallel()
	now := noon
	l := logtest.New(func() time.Time { return now })
	first, err := l.Append(t.Context(), requested("c"))
	if err != nil {
		t.Fatal(err)
	}
	d := requested("c")
	d.After, d.ID = first.Record.Seq, first.Record.ID
	if a, err := l.Append(t.Context(), d); err != nil || a.Won {
		t.Errorf("at once: %+v, %v", a, err)
	}
	now = now.Add(2 * time.Minute)
	if a, err := l.Append(t.Context(), d); err != nil || !a.Won {
		t.Errorf("two minutes later: %+v, %v", a, err)
	}
}

func TestAPlantedEventOfAnotherVersionHoldsTheLog(t *testing.T) {
	t.Parallel()
	l := logtest.New(nil)
	if _, err := l.Append(t.Context(), requested("c")); err != nil {
		t.Fatal(err)
	}
	seq := l.Plant(events.CallFamily, "calls.acme.c.dialer.teleported", events.Header{}, []byte("{}"))
	_, err := l.Read(t.Context(), events.CallFamily, "acme", "c", 0)
	if fault.Code(err) != log.CodeUnknownEvent || !errors.Is(err, events.ErrUnknownEvent) {
		t.Errorf("err = %v", err)
	}
	if got, err := l.From(events.CallFamily, 0); len(got) != 1 || err == nil || seq != 2 {
		t.Errorf("%d events to %d, %v", len(got), seq, err)
	}
}

func TestACopyGivesItsSequencesOutAgain(t *testing.T) {
	t.Parallel()
	l := logtest.New(nil)
	if _, err := l.Append(t.Context(), requested("a")); err != nil {
		t.Fatal(err)
	}
	put := l.Copy()
	for i, of := range []*logtest.Log{l, put} {
		d := requested([]string{"b", "c"}[i])
		a, err := of.Append(t.Context(), d)
		if err != nil || !a.Won || a.Record.Seq != 2 || of.End(events.CallFamily) != 2 {
			t.Errorf("%s: %+v, %v", d.Key, a, err)
		}
	}
	if _, err := put.Last(t.Context(), events.CallFamily, "acme", "b"); !errors.Is(err, log.ErrNone) {
		t.Errorf("the copy knows what came after it: %v", err)
	}
}
