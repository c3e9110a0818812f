// Package bench measures outdial beside its floor, in one run on one machine.
//
//	floor    bare JetStream: the messages of a recorded call, with the same
//	         streams, durables and followers, and no decision between them; once
//	         published plainly and once through the product's own appender
//	outdial  processes of its own, with simulated telephones and desktops in this one
//
// Floor and outdial take turns, so that what else the machine does falls on both.
// The simulated world shares the machine, so a figure of throughput is a little
// too low; CPU is the measured processes' own. Whatever the figures say, the run
// fails only if a call was lost, doubled or wrong: the audit of every store decides.
package bench
