package desktop

import (
	_ "embed"
	"net/http"
)

//go:embed relay.js
var script []byte

// Script is the page's side of the socket, as served at ScriptPath.
func Script() []byte { return append([]byte(nil), script...) }

func serveScript(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(script) // the reader's trouble, not ours
}
