package config

import (
	"net/url"
	"strings"

	"github.com/outdial/outdial/internal/door"
)

// Loopback says that nothing of this configuration reaches, or is reached
// from, another machine: the doors, the log and every provider. Redis does not
// count: it holds no secret and no number.
func (c *Config) Loopback() bool {
	if !door.LoopbackHost(c.HTTP.Listen) {
		return false
	}
	if c.NATS.URL == "" {
		if c.NATS.Listen != "" && !door.LoopbackHost(c.NATS.Listen) {
			return false
		}
	} else {
		for one := range strings.SplitSeq(c.NATS.URL.Reveal(), ",") {
			if !loopbackURL(strings.TrimSpace(one)) {
				return false
			}
		}
	}
	return c.ProvidersLoopback()
}

// ProvidersLoopback says that every provider is on this machine, so that no
// call can reach a person. Rehearsals and rule sets without approval ask it.
func (c *Config) ProvidersLoopback() bool {
	for name := range c.Connections {
		if !c.ConnectionLoopback(name) {
			return false
		}
	}
	return true
}

// ConnectionLoopback says that one connection's provider is on this machine:
// by its address, or, where desktops come to us, by where we listen for them.
func (c *Config) ConnectionLoopback(name string) bool {
	conn, ok := c.Connections[name]
	if !ok || conn.Section == nil {
		return false
	}
	if address := conn.Section.Address(); address != "" {
		return loopbackURL(address)
	}
	return conn.product.Desktops != nil && door.LoopbackHost(c.HTTP.Listen)
}

func loopbackURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && door.LoopbackHost(u.Hostname())
}
