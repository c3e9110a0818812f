// Package door decides who may come in over HTTP. A page in somebody's browser
// is judged by its origin, whoever else by a credential; where none is
// configured, only this machine may come. Everything here is a function of the
// request and of what is configured, so that every door decides alike.
package door

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Page reports whether a request may come from the page that sent it: one of
// origins, each as scheme://host[:port], or a page of the very host that was
// asked. What says neither Origin nor Sec-Fetch-Site is no browser's page.
//
// A browser lets any page post, without asking, what looks like a form or
// plain text; that page cannot read the answer, but what it posted counts. The
// two headers are the browser's own word, which no page can change.
func Page(r *http.Request, origins []string) bool {
	said := r.Header.Values("Origin")
	if len(said) > 1 {
		return false // no browser says two, so one of them is somebody's guess
	}
	if len(said) == 1 {
		for _, o := range origins {
			if strings.EqualFold(said[0], strings.TrimSuffix(o, "/")) {
				return true
			}
		}
		u, err := url.Parse(said[0])
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return false
		}
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return false
		}
	}
	return true
}

// ThisMachine reports whether a request comes from this very machine: by its
// address, not through a proxy, and under a name of loopback. Without the last
// a page elsewhere whose name was pointed here after it was loaded (DNS
// rebinding) would pass for one of our own.
func ThisMachine(r *http.Request) bool {
	return !proxied(r.Header) && LoopbackHost(r.RemoteAddr) && LoopbackHost(r.Host)
}

// proxied reports whether a proxy says that it forwards somebody else's request.
func proxied(h http.Header) bool {
	for name := range h {
		switch name {
		case "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip":
			return true
		}
		if strings.HasPrefix(name, "X-Forwarded") || strings.HasPrefix(name, "X-Original") {
			return true
		}
	}
	return false
}

// LoopbackHost reports whether host, or host:port, is this machine.
func LoopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
