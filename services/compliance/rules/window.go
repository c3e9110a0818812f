package rules

import (
	"slices"
	"time"
)

// A Window is the part of one weekday in which calls may be made: seconds since
// local midnight, half-open. The zero value is a day without calls.
type Window struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// horizon is how far the search for an open instant looks. Every week is alike
// but for clock changes, so two weeks find it or it never comes.
const horizon = 15 * 24 * time.Hour

// A moment is what the window says about one instant in one zone.
type moment int

const (
	before moment = iota // earlier than that day's window
	open
	after  // later than that day's window, or within the margin at its end
	closed // no window that weekday
)

// hours is a week of windows with the safety margin at each end.
type hours struct {
	week   [7]Window // by time.Weekday
	margin int       // seconds
}

// end is when the day's window closes, margin counted in.
func (h hours) end(w Window) int { return w.End - h.margin }

// at judges one instant in one zone.
func (h hours) at(t time.Time, loc *time.Location) moment {
	local := t.In(loc)
	w := h.week[local.Weekday()]
	if h.end(w) <= w.Start {
		return closed
	}
	switch now := clock(local); {
	case now < w.Start:
		return before
	case now < h.end(w):
		return open
	}
	return after
}

// clock is the wall clock's second of the day.
func clock(local time.Time) int {
	return local.Hour()*3600 + local.Minute()*60 + local.Second()
}

// opens finds the first instant at or after t at which the window is open.
func (h hours) opens(t time.Time, loc *time.Location) (time.Time, bool) {
	if h.at(t, loc) == open {
		return t, true
	}
	for _, c := range h.edges(t, loc) {
		if h.at(c, loc) == open {
			return c, true
		}
	}
	return time.Time{}, false
}

// closes finds the first instant after t at which the window is not open.
func (h hours) closes(t time.Time, loc *time.Location) (time.Time, bool) {
	for _, c := range h.edges(t, loc) {
		if h.at(c, loc) != open {
			return c, true
		}
	}
	return time.Time{}, false
}

// edges lists, in order, every instant after t and within the horizon at which
// the answer may change: the wall clock's midnights, starts and ends under each
// offset in force, and the clock changes themselves. Trying each offset finds
// the wall times that a change repeats, and the ones it skips do no harm,
// because whoever asks judges each instant anew.
func (h hours) edges(t time.Time, loc *time.Location) []time.Time {
	limit := t.Add(horizon)
	var all []time.Time
	offsets := map[int]bool{}
	for at := t; ; {
		_, offset := at.In(loc).Zone()
		offsets[offset] = true
		_, next := at.In(loc).ZoneBounds()
		if next.IsZero() || !next.After(at) || !next.Before(limit) {
			break
		}
		all = append(all, next)
		at = next
	}
	for offset := range offsets {
		local := t.Add(time.Duration(offset) * time.Second).UTC()
		midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
		for ; midnight.Before(limit.Add(24 * time.Hour)); midnight = midnight.AddDate(0, 0, 1) {
			w := h.week[midnight.Weekday()]
			for _, second := range []int{0, w.Start, h.end(w)} {
				all = append(all, midnight.Add(time.Duration(second-offset)*time.Second))
			}
		}
	}
	all = slices.DeleteFunc(all, func(c time.Time) bool { return !c.After(t) || c.After(limit) })
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// opensEverywhere finds the first instant at or after t that is open in every
// zone at once. It moves to the next opening of whichever zone is shut until
// none is; each move is to the earliest instant that zone allows, so nothing
// earlier is passed over.
func (h hours) opensEverywhere(t time.Time, zones []*time.Location) (time.Time, bool) {
	limit := t.Add(horizon)
	for moved := true; moved; {
		moved = false
		for _, loc := range zones {
			next, ok := h.opens(t, loc)
			if !ok || next.After(limit) {
				return time.Time{}, false
			}
			if next.After(t) {
				t, moved = next, true
			}
		}
	}
	return t, true
}
