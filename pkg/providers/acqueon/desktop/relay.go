package desktop

import (
	_ "embed"
	"net/http"
)

// script is the page's side of the socket, as served at ScriptPath.
//
//go:embed relay.js
var script []byte

func serveScript(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(script) // the reader's trouble, not ours
}
