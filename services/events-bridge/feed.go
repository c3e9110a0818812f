package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// A feed is what a provider keeps of its calls, read page by page. One bridge
// reads it, as long as it lives; a page is in PROVIDER before the cursor moves,
// and the cursor moves by compare-and-set. So whoever comes between, be it a
// crash or a second reader, repeats a page and loses none, and an item that is
// stored twice is carried out once.

// Cursors keep how far each feed was read.
type Cursors interface {
	// Cursor is how far, "" from the beginning, and its place, for Move.
	Cursor(ctx context.Context, tenant, connection string) (cursor string, at uint64, err error)
	// Move says that it was read further, if nobody has said so since the place.
	Move(ctx context.Context, tenant, connection, cursor string, at uint64) error
}

// feedFar is how far back a page reaches at least where no call is open: what
// was lost on the way shortly before.
const feedFar = 5 * time.Minute

// mostPages bounds one look at a feed, so that one which never ends holds up no
// other.
const mostPages = 64

// feeds are the connections that have one.
func (s *Service) feeds() (all []tenants.Connection) {
	for _, c := range s.Directory.Connections() {
		if c.Provider.Feeder != nil {
			all = append(all, c)
		}
	}
	return all
}

// ReadFeed brings what a connection's feed has further into PROVIDER, if it is
// this bridge's to read. Failures are said once in a row.
func (s *Service) ReadFeed(ctx context.Context, conn tenants.Connection) error {
	if !s.readsFeed(conn) {
		return nil
	}
	for range mostPages {
		more, err := s.readPage(ctx, conn)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// readsFeed says that a connection's feed is this bridge's to read.
func (s *Service) readsFeed(conn tenants.Connection) bool {
	return s.peers.own(s.Now())("feed/" + conn.Name)
}

// readPage brings one page into PROVIDER, and then moves the cursor.
func (s *Service) readPage(ctx context.Context, conn tenants.Connection) (more bool, err error) {
	cursor, at, err := s.Cursors.Cursor(ctx, conn.Tenant, conn.Name)
	if err != nil {
		return false, err
	}
	page, err := conn.Provider.Feeder.Page(ctx, cursor, s.oldestOpen(conn))
	if cursor != "" && fault.Code(err) == providers.CursorGone {
		s.Logger.ErrorContext(ctx, "a feed has forgotten how far it was read; it is read again from the oldest call that news is waited for",
			"tenant", conn.Tenant, "connection", conn.Name)
		err = s.Cursors.Move(ctx, conn.Tenant, conn.Name, "", at)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	for _, item := range page.Items {
		raw := events.ProviderRaw{Connection: conn.Name, Via: viaFeed, ReceivedAt: s.Now(), Body: item}
		// Windows overlap, so the same item comes again and again.
		if !s.seen.first(conn.Name, item) {
			continue
		}
		_, err := s.Store.Raw(ctx, conn.Tenant, raw, itemID(conn, item))
		switch {
		case err == nil:
		case fault.Of(err) == fault.Permanent: // it will never be stored, and the feed goes on
			s.Logger.ErrorContext(ctx, "an item of a feed cannot be stored and is left out", "tenant", conn.Tenant, "connection", conn.Name,
				"bytes", len(item), "code", fault.Code(err))
		default:
			s.seen.forget(conn.Name, item)
			return false, err
		}
	}
	if page.Next == cursor {
		if page.More { // what comes after it is out of reach, and asking at once again would bring the same
			return false, fault.New(fault.Transient, "read feed", "feed_stuck", nil)
		}
		return false, nil
	}
	err = s.Cursors.Move(ctx, conn.Tenant, conn.Name, page.Next, at)
	if errors.Is(err, log.ErrConflict) {
		return false, nil // another bridge has read on
	}
	return page.More && err == nil, err
}

// itemID makes storing an item twice within two minutes harmless, whoever does.
func itemID(conn tenants.Connection, item []byte) string {
	return events.EventID(conn.Tenant+"\x00"+conn.Name, events.TypeProviderRaw, string(item))
}

// oldestOpen is when the oldest call of a connection was dialed that news is
// waited for.
func (s *Service) oldestOpen(conn tenants.Connection) time.Time {
	oldest := s.Now().Add(-feedFar)
	s.Log.OpenCalls(func(c *lifecycle.Call) {
		if at := c.Instants.Dialing; at != nil && onConnection(c, conn) && at.Before(oldest) {
			oldest = *at
		}
	})
	return oldest
}

// mostSeen is how many items of a feed are known again. Beyond, an item that
// comes again is stored again, and says nothing new.
const mostSeen = 50_000

// seenItems know again what a window has shown before.
type seenItems struct {
	mu   sync.Mutex
	now  map[string]bool
	last map[string]bool
}

// first reports whether an item was not seen before.
func (x *seenItems) first(connection string, item []byte) bool {
	key := keyOf(connection, item)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.now[key] || x.last[key] {
		return false
	}
	if len(x.now) >= mostSeen || x.now == nil {
		x.now, x.last = map[string]bool{}, x.now
	}
	x.now[key] = true
	return true
}

// reset forgets all: the store went back, and what was stored may be gone.
func (x *seenItems) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now, x.last = nil, nil
}

// forget takes it back: the item could not be stored.
func (x *seenItems) forget(connection string, item []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.now, keyOf(connection, item))
}

func keyOf(connection string, item []byte) string {
	sum := sha256.Sum256(item)
	return connection + "/" + hex.EncodeToString(sum[:16])
}

// keepFeeds reads all feeds again and again until ctx ends. A feed that fails is
// read more seldom, and said once to be down and once to be up again.
func (s *Service) keepFeeds(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, conn := range s.feeds() {
		wg.Go(func() {
			failures := notKnown
			for ctx.Err() == nil {
				err := s.ReadFeed(ctx, conn)
				if err != nil && ctx.Err() != nil {
					return
				}
				if s.readsFeed(conn) {
					failures = s.feedState(ctx, conn, failures, err)
				} else {
					failures = notKnown
				}
				rest(ctx, s.pause(false, failures))
			}
		})
	}
}

// notKnown is the failures of a feed that another bridge read until now: what
// that one said of it last, this one cannot know.
const notKnown = -1

// feedState counts a feed's failures in a row, and says when it is down or up;
// that it is up also when this bridge has just begun to read it.
func (s *Service) feedState(ctx context.Context, conn tenants.Connection, failures int, err error) int {
	event, code := "", ""
	switch {
	case err == nil && (failures == notKnown || failures >= unreachable):
		event = events.OpsConnectionUp
	case err != nil && max(failures, 0)+1 == unreachable:
		event, code = events.OpsConnectionDown, fault.Code(err)
	}
	if event != "" {
		o := events.Ops{Event: event, Service: "events-bridge", Tenant: conn.Tenant, What: conn.Name, Reason: code, At: s.Now()}
		if noted := s.Store.Ops(ctx, o); noted != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "connection's state not recorded", "event", event, "code", fault.Code(noted))
			return failures // the next look says it
		}
	}
	failures = max(failures, 0)
	s.brokenFeeds.set(conn.Name, err != nil && failures+1 >= unreachable)
	if err == nil {
		return 0
	}
	if failures == 0 {
		s.Logger.WarnContext(ctx, "a feed cannot be read", "tenant", conn.Tenant, "connection", conn.Name, "code", fault.Code(err))
	}
	return failures + 1
}
