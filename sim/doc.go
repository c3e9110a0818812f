// Package sim plays the telephone companies. One simulator speaks every
// provider's dialect, can be told to lie in every way a real one has been seen
// to, and keeps a ledger of its own: the second witness, beside outdial's log,
// of how often a telephone rang.
//
//	outdial ─▶ dialect (TCN, an agent's desktop …) ─▶ state machine ─▶ Ledger
//	test, demo ─▶ /sim/… (faults, answers, agents, history)
//
// It is for tests, demonstrations and rehearsals only. Its ledger and history
// hold clear numbers on purpose: everything in them is made up.
package sim
