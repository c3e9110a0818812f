package worker

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/natstest"
)

// From delivery to settlement, with a handler that does nothing and a real
// server that takes its part of the time.
func BenchmarkDelivery(b *testing.B) {
	r := natstest.New(b)
	if _, err := r.JS.CreateStream(b.Context(), jetstream.StreamConfig{Name: "CALLS", Subjects: []string{"calls.>"}}); err != nil {
		b.Fatal(err)
	}
	if _, err := r.JS.CreateConsumer(b.Context(), "CALLS", jetstream.ConsumerConfig{
		Durable: "orchestrator", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 20000, AckWait: 5 * time.Second}); err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		h, data, err := events.EncodeRecord(events.Record{
			Family: events.CallFamily, Tenant: "acme", Key: fmt.Sprint("c", i), Role: events.Bridge, Name: events.Held,
			ID: fmt.Sprint("e", i), Place: 1, Time: noon, Body: &events.CallProgress{},
		})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.JS.PublishMsgAsync(&nats.Msg{Subject: fmt.Sprintf("calls.acme.c%d.bridge.held", i), Header: nats.Header(h), Data: data}); err != nil {
			b.Fatal(err)
		}
	}
	<-r.JS.PublishAsyncComplete()
	js := natstest.JetStream(b, r.Server)
	rt, err := New(Config{NC: natstest.Connect(b, r.Server), Name: "orchestrator", Rejecter: NewRejecter(js, events.Orchestrator, tenantKey),
		Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))})
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	done := make(chan struct{})
	b.ReportAllocs()
	before := cpu(b)
	b.ResetTimer()
	ended := make(chan error, 1)
	go func() {
		ended <- rt.Run(context.Background(), callsTo(func(context.Context, Delivery) error {
			if n.Add(1) == int64(b.N) {
				close(done)
			}
			return nil
		}))
	}()
	<-done
	rt.Drain()
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// cpu is what this process has used of the processors, the server's part with it.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
