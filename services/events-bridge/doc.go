// Package bridge normalizes what providers and agents' desktops say back onto
// the bus. Every message is stored as it came before it is understood.
//
//	desktop socket, webhook, status poll ─▶ PROVIDER ─▶ Reader ─▶ match ─▶ calls.…bridge.…
//	                                                                  └──▶ agents.…bridge.…
//
// It is also the HTTP door for dial requests.
package bridge
