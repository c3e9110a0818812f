package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Server is a NATS server that several processes share while they are measured.
type Server struct {
	Name    string   `default:"n0" help:"Its name."`
	Store   string   `required:"" help:"Where it keeps its streams."`
	Listen  string   `required:"" help:"host:port for clients."`
	Monitor string   `required:"" help:"host:port of its monitoring."`
	Cluster string   `help:"host:port for the other servers of its cluster; none: it is alone."`
	Routes  []string `help:"host:port of all servers of its cluster."`
}

// Serve runs the server until ctx ends. Every message is on disk before it is
// acknowledged.
func Serve(ctx context.Context, s Server) error {
	opts := &server.Options{ServerName: s.Name, NoSigs: true, NoLog: true, JetStream: true, StoreDir: s.Store,
		JetStreamMaxStore: 1 << 40, SyncAlways: true, MaxPayload: 1 << 20}
	if s.Cluster != "" {
		opts.Cluster.Name = "bench"
		for _, r := range s.Routes {
			opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: r})
		}
	}
	for _, at := range []struct {
		text string
		host *string
		port *int
	}{{s.Listen, &opts.Host, &opts.Port}, {s.Monitor, &opts.HTTPHost, &opts.HTTPPort}, {s.Cluster, &opts.Cluster.Host, &opts.Cluster.Port}} {
		if at.text == "" {
			continue
		}
		a, err := netip.ParseAddrPort(at.text)
		if err != nil || !a.Addr().IsLoopback() {
			return fmt.Errorf("%s is no address of loopback: %w", at.text, err)
		}
		*at.host, *at.port = a.Addr().String(), int(a.Port())
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	srv.Start()
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(30 * time.Second) {
		return errors.New("the server is not ready")
	}
	<-ctx.Done()
	return nil
}
