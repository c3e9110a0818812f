package bench

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/pkg/events"
)

// kept measures a store with many closed calls: starts, and reading old calls.
func kept(ctx context.Context, o Options, t *Report) error {
	w := world{desktops: 10, kept: o.Kept}
	s, err := newSubject(o, w)
	if err != nil {
		return err
	}
	defer s.remove()
	began := time.Now()
	ids, err := s.manyCalls(ctx, o, t, w)
	if err != nil {
		return err
	}
	t.note("The store with %d closed calls was there after %.0f s: %d MiB.", o.Kept, time.Since(began).Seconds(), size(filepath.Join(s.dir, "nats"))>>20)
	// Who has never seen these calls reads them once, as they were heard when
	// they were made.
	if _, _, err := s.start(ctx, w); err != nil {
		return err
	}
	if err := s.until(ctx, "the first snapshot", s.openIsKept); err != nil {
		return err
	}
	for _, one := range []struct {
		name, how string
		end       func()
	}{{"kill", "after kill -9", s.kill}, {"stop", "after a stop", s.stop}} {
		one.end()
		broker, services, err := s.start(ctx, w)
		if err != nil {
			return err
		}
		t.add("kept.ready."+one.name, fmt.Sprintf("ready %s, %d closed calls kept", one.how, o.Kept), "s", []float64{services.Seconds()}, most(5))
		t.note("The broker had taken %.1f s before; %d MiB with the server.", broker.Seconds(), memory(s.procs[0].cmd.Process.Pid))
		if err := s.until(ctx, "the snapshot", s.openIsKept); err != nil {
			return err
		}
	}
	o.progress(t, "    asks for %d calls", len(ids))
	return s.askOld(ctx, t, o, ids)
}

// openIsKept is done when every process has written down that nothing is open
// at the end of the log.
func (s *subject) openIsKept() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	stream, err := s.js.Stream(ctx, events.StreamCalls)
	if err != nil {
		return err
	}
	files, err := s.snapshots()
	if err == nil && len(files) < len(s.procs) {
		err = fmt.Errorf("%d snapshots", len(files))
	}
	for _, file := range files {
		text, e := os.ReadFile(file)
		if want := fmt.Sprintf(`"seq":%d,`, stream.CachedInfo().State.LastSeq); e == nil && !bytes.Contains(text, []byte(want)) {
			e = errors.New("a snapshot is not at the end")
		}
		err = errors.Join(err, e)
	}
	return err
}

func (s *subject) snapshots() ([]string, error) {
	return filepath.Glob(filepath.Join(s.dir, "state", "*", "open.json"))
}

// longestAsked is how long the calls are asked for.
const longestAsked = time.Minute

// askOld asks for calls that closed long ago.
func (s *subject) askOld(ctx context.Context, t *Report, o Options, ids []string) error {
	var times []time.Duration
	began := time.Now()
	for _, id := range ids {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > longestAsked {
			break
		}
		d, _, err := s.ask("call.get", fmt.Sprintf(`{"call":%q}`, id))
		if err != nil {
			return err
		}
		times = append(times, d)
	}
	t.add("kept.get.p50", fmt.Sprintf("call.get with %d kept, p50", o.Kept), "ms", []float64{quantile(times, 0.5)}, most(10))
	t.add("kept.get.p99", fmt.Sprintf("call.get with %d kept, p99", o.Kept), "ms", []float64{quantile(times, 0.99)})
	return nil
}

func (s *subject) ask(command, body string) (time.Duration, []byte, error) {
	began := time.Now()
	m, err := s.nc.Request("outdial."+tenant+"."+command, []byte(body), 60*time.Second)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", command, err)
	}
	if e := m.Header.Get("Nats-Service-Error"); e != "" {
		return 0, nil, fmt.Errorf("%s: %s", command, e)
	}
	return time.Since(began), m.Data, nil
}

// size is what a folder's files take.
func size(dir string) (sum int64) {
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// kill ends the processes as a power cut would, but for the disk.
func (s *subject) kill() {
	for _, p := range s.procs {
		_ = p.cmd.Process.Kill()
	}
	s.stop()
}

// manyCalls makes the store: one call is completed, the others are copies of
// it. With --store it is made once, and found again by the next run. It returns
// the ids of some.
func (s *subject) manyCalls(ctx context.Context, o Options, t *Report, w world) (ids []string, err error) {
	known := filepath.Join(s.dir, "ids.json")
	if text, err := os.ReadFile(known); err == nil {
		return ids, json.Unmarshal(text, &ids)
	}
	l := &load{s: s}
	if err := l.open(world{desktops: w.desktops}, soon()); err != nil {
		return nil, err
	}
	defer l.close()
	if err := l.work(ctx, world{desktops: w.desktops}, soon()); err != nil {
		return nil, err
	}
	if err := l.one(ctx); err != nil {
		return nil, err
	}
	model, err := s.model(ctx)
	if err != nil {
		return nil, err
	}
	l.close()
	s.stop()
	if ids, err = s.clone(ctx, o, t, model); err != nil {
		return nil, err
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	return ids, os.WriteFile(known, text, 0o600)
}

// model is the log of one call that was completed, as it is stored.
func (s *subject) model(ctx context.Context) ([]*jetstream.RawStreamMsg, error) {
	stream, err := s.js.Stream(ctx, events.StreamCalls)
	if err != nil {
		return nil, err
	}
	last, err := stream.GetLastMsgForSubject(ctx, "calls.acme.*.orchestrator.closed")
	if err != nil {
		return nil, err
	}
	call := strings.Split(last.Subject, ".")[2]
	var log []*jetstream.RawStreamMsg
	for seq := uint64(1); seq <= last.Sequence; seq++ {
		m, err := stream.GetMsg(ctx, seq)
		if err != nil {
			return nil, err
		}
		if strings.Split(m.Subject, ".")[2] == call {
			log = append(log, m)
		}
	}
	return log, nil
}

// clone writes the model's log again and again under other calls' ids, into the
// store of a subject that is stopped, chained as the services chain it.
func (s *subject) clone(ctx context.Context, o Options, t *Report, model []*jetstream.RawStreamMsg) ([]string, error) {
	if len(model) == 0 {
		return nil, errors.New("no call was completed")
	}
	srv, err := embedded.Start(embedded.Config{StoreDir: filepath.Join(s.dir, "nats"), UnsafeFsync: true})
	if err != nil {
		return nil, err
	}
	defer srv.Stop()
	nc, err := srv.Client()
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	var failed error
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4000),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { failed = cmp.Or(failed, err) })) // what follows is its consequence
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, events.StreamCalls)
	if err != nil {
		return nil, err
	}
	seq := stream.CachedInfo().State.LastSeq
	old := strings.Split(model[0].Subject, ".")[2]
	var ids []string // of a thousand
	for i := range o.Kept {
		var raw [16]byte
		_, _ = rand.Read(raw[:])
		id := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:]))
		if i%max(o.Kept/1000, 1) == 0 {
			ids = append(ids, id)
		}
		chain := uint64(0)
		for _, was := range model {
			m := nats.NewMsg(events.AppendPrefix + strings.ReplaceAll(was.Subject, old, id))
			m.Data = bytes.ReplaceAll(was.Data, []byte(old), []byte(id))
			for h, values := range was.Header {
				for _, v := range values {
					m.Header[h] = append(m.Header[h], strings.ReplaceAll(v, old, id))
				}
			}
			m.Header.Del(jetstream.MsgIDHeader)
			m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(chain, 10))
			m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, "calls.acme."+id+".>")
			if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
				return nil, err
			}
			seq++
			chain = seq
		}
		if err := errors.Join(failed, ctx.Err()); err != nil {
			return nil, err
		}
		if i%10_000 == 0 {
			o.progress(t, "    %d of %d calls are made", i, o.Kept)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
	}
	info, err := stream.Info(ctx)
	if err == nil && info.State.LastSeq != seq {
		err = fmt.Errorf("%d messages are stored, want %d", info.State.LastSeq, seq)
	}
	if err := errors.Join(failed, err, ctx.Err()); err != nil {
		return nil, err
	}
	return ids, settled(ctx, stream)
}

// settled has every durable of the stream hear what was cloned, as it would
// have while the services were at work.
func settled(ctx context.Context, stream jetstream.Stream) error {
	for name := range stream.ConsumerNames(ctx).Name() {
		c, err := stream.Consumer(ctx, name)
		if err != nil {
			return err
		}
		heard, err := c.Consume(func(m jetstream.Msg) { _ = m.Ack() })
		if err != nil {
			return err
		}
		for left := true; left; {
			info, err := c.Info(ctx)
			if err != nil {
				return err
			}
			left = info.NumPending > 0 || info.NumAckPending > 0
			time.Sleep(20 * time.Millisecond)
		}
		heard.Stop()
	}
	return nil
}
