// Package events is outdial's vocabulary: the types, names and subjects of
// every event, the codec that carries CloudEvents on NATS, and the identities
// derived from them. It imports nothing else of outdial's, so integrators can
// depend on it alone.
package events
