// Package test holds what is tested across modules: the import rule, what is
// deployed, the whole system end to end, and how others read our events.
package test
