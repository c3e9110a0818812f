// Package httpapi sends HTTP requests to providers. There are two ways:
// Once, for what rings a telephone and must never be sent twice, and Reads,
// for harmless questions.
//
// net/http sends a request again by itself when a kept-alive connection breaks
// and the request looks repeatable (an Idempotency-Key header is enough). Once
// therefore opens a connection for each request and closes it after, cannot
// rewind a body, follows no redirect, and knows from the connection itself
// whether a byte has left:
//
//	nothing was written  ─▶ fault.Transient: safe to try again
//	anything was written ─▶ fault.Uncertain: look it up, never try again
package httpapi
