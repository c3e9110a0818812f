// Package logtest holds a log.Leader in memory for tests of pure logic,
// and the exam that it sits together with the one on JetStream.
//
// The twin keeps what it stores as bytes, so that whoever reads gets what a
// reader of the real log gets. It has no goroutine and no clock of its own. It
// can be told to fail in every way in which a log can, at a chosen append.
package logtest
