package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/pkg/events"
)

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
func (s *subject) clone(ctx context.Context, model []*jetstream.RawStreamMsg, n int) ([]string, error) {
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
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { failed = err }))
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, events.StreamCalls)
	if err != nil {
		return nil, err
	}
	seq := stream.CachedInfo().State.LastSeq
	old := strings.Split(model[0].Subject, ".")[2]
	ids := make([]string, n)
	for i := range ids {
		var raw [16]byte
		_, _ = rand.Read(raw[:])
		ids[i] = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:]))
		chain := uint64(0)
		for _, was := range model {
			m := nats.NewMsg(events.AppendPrefix + strings.ReplaceAll(was.Subject, old, ids[i]))
			m.Data = bytes.ReplaceAll(was.Data, []byte(old), []byte(ids[i]))
			for h, values := range was.Header {
				for _, v := range values {
					m.Header[h] = append(m.Header[h], strings.ReplaceAll(v, old, ids[i]))
				}
			}
			m.Header.Del(jetstream.MsgIDHeader)
			m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(chain, 10))
			m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, "calls.acme."+ids[i]+".>")
			if _, err := js.PublishMsgAsync(m); err != nil {
				return nil, err
			}
			seq++
			chain = seq
		}
		if failed != nil {
			return nil, failed
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
