package keycheck_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/runtime/keycheck"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/natstest"
)

// Estonian numbers are short: their masks hide three digits.
const number = "+3726123456"

var (
	old    = events.Key(strings.Repeat("o", 32))
	other  = events.Key(strings.Repeat("n", 32))
	globex = events.Key(strings.Repeat("g", 32))
)

// a store is a JetStream with outdial's streams, as a version without check
// values left it.
type store struct {
	*natstest.Rig
	t *testing.T
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{natstest.New(t), t}
	l, err := broker.Plan([]string{"acme", "globex"}, broker.Options{})
	if err == nil {
		_, err = broker.Apply(t.Context(), s.JS, l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *store) append(family events.Family, tenant, key string, n events.Name, body any) {
	s.t.Helper()
	_, err := log.NewJetStream(s.JS, log.Options{}).Append(s.t.Context(), log.Draft{Family: family, Tenant: tenant, Key: key,
		Role: events.Orchestrator, Name: n, Cause: key, Time: time.Now(), Body: body})
	if err != nil {
		s.t.Fatal(err)
	}
}

// requested is a call on record, its number known by a key.
func (s *store) requested(tenant, call string, k events.Key) {
	s.t.Helper()
	s.append(events.CallFamily, tenant, call, events.Requested,
		&events.CallRequested{Common: events.Common{Number: k.Number(number)}, Request: events.DialRequest{To: number}})
}

// enrolled is an agent on the roster whose credential a key has sealed.
func (s *store) enrolled(tenant, agent string, k events.Key) {
	s.t.Helper()
	sealed, err := k.Seal("token", tenants.SealAbout(tenant, agent))
	if err != nil {
		s.t.Fatal(err)
	}
	s.append(events.AgentFamily, tenant, agent, events.Enrolled, &events.AgentEnrolled{Token: sealed})
}

// listed is an entry of a do-not-call list.
func (s *store) listed(tenant, number, masked string, k events.Key) {
	s.t.Helper()
	_, err := log.NewFacts(s.JS).Put(s.t.Context(), tenant, "dnc", k.NumberToken(number), events.Compliance,
		events.Fact{Kind: "dnc", Listed: true, Masked: masked, At: time.Now()}, 0)
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *store) began(tenants ...keycheck.Tenant) {
	s.t.Helper()
	if err := provisioned(s, keycheck.Accept{}, tenants...); err != nil {
		s.t.Fatal(err)
	}
}

// provisioned does what `outdial provision` does with keys.
func provisioned(s *store, a keycheck.Accept, tenants ...keycheck.Tenant) error {
	fresh, err := keycheck.Examine(s.t.Context(), s.JS, tenants, a)
	if err != nil {
		return err
	}
	return keycheck.Write(s.t.Context(), s.JS, fresh, a)
}

func acme(k events.Key) keycheck.Tenant {
	return keycheck.Tenant{Name: "acme", Key: k, From: "{file: ./secrets/acme.key}"}
}

func beside(k events.Key) keycheck.Tenant {
	return keycheck.Tenant{Name: "globex", Key: k, From: "{file: ./secrets/globex.key}"}
}

func TestAKeyMeetsOnlyTheStoreItBelongsTo(t *testing.T) {
	t.Parallel()
	word := keycheck.Accept{Tenants: []string{"acme"}, By: "ann", Reason: "seen in the safe"}
	for story, tc := range map[string]struct {
		store  func(*store)
		keys   []keycheck.Tenant
		accept keycheck.Accept
		want   error
		says   []string
	}{
		"an empty store takes any key":     {func(*store) {}, []keycheck.Tenant{acme(other)}, keycheck.Accept{}, nil, nil},
		"the key it began with comes back": {func(s *store) { s.began(acme(old)) }, []keycheck.Tenant{acme(old)}, keycheck.Accept{}, nil, nil},
		"another key comes": {func(s *store) { s.began(acme(old)) }, []keycheck.Tenant{acme(other)}, keycheck.Accept{}, keycheck.ErrOther,
			[]string{"tenants.acme.key {file: ./secrets/acme.key}", "Put the old key back there", "empty store", "do-not-call"}},
		"another key comes, and a person's word for it": {func(s *store) { s.began(acme(old)) }, []keycheck.Tenant{acme(other)}, word, keycheck.ErrOther, nil},
		"two tenants' keys are exchanged": {func(s *store) { s.began(acme(old), beside(globex)) }, []keycheck.Tenant{acme(globex), beside(old)}, keycheck.Accept{},
			keycheck.ErrOther, []string{"tenants.acme.key", "key of tenant globex", "tenants.globex.key", "key of tenant acme"}},
		"a tenant comes beside the others": {func(s *store) { s.began(acme(old)) }, []keycheck.Tenant{acme(old), beside(globex)}, keycheck.Accept{}, nil, nil},
		"an older store, and a call of this key": {func(s *store) { s.requested("acme", "c1", old) },
			[]keycheck.Tenant{acme(old)}, keycheck.Accept{}, nil, nil},
		"an older store, and a call of another key": {func(s *store) { s.requested("acme", "c1", old) },
			[]keycheck.Tenant{acme(other)}, keycheck.Accept{}, keycheck.ErrOther, []string{"CALLS #1"}},
		"an older store, and only another tenant's call": {func(s *store) { s.requested("globex", "c1", globex) },
			[]keycheck.Tenant{acme(other)}, keycheck.Accept{}, nil, nil},
		"an older store without calls, and a credential that another key has sealed": {func(s *store) { s.enrolled("acme", "ann", old) },
			[]keycheck.Tenant{acme(other)}, keycheck.Accept{}, keycheck.ErrOther, []string{"AGENTS #1"}},
		"an older store without calls, and a list of this key": {func(s *store) { s.listed("acme", number, events.Mask(number), old) },
			[]keycheck.Tenant{acme(old)}, keycheck.Accept{}, nil, nil},
		"an older store without calls, and a list of another key": {func(s *store) { s.listed("acme", number, events.Mask(number), old) },
			[]keycheck.Tenant{acme(other)}, keycheck.Accept{}, keycheck.ErrOther, []string{"FACTS #1"}},
		"an older store, calls of this key and a list of another": {func(s *store) {
			s.listed("acme", number, events.Mask(number), old)
			s.requested("acme", "c1", other)
		}, []keycheck.Tenant{acme(other)}, word, keycheck.ErrOther, []string{"FACTS #1"}},
		"an older store that two keys were used on, and one of them": {func(s *store) {
			s.listed("acme", number, events.Mask(number), old)
			s.requested("acme", "c1", other)
		}, []keycheck.Tenant{acme(old)}, keycheck.Accept{}, keycheck.ErrUnproved, []string{"FACTS #1", "CALLS #1", "--accept-key acme"}},
		"an older store that two keys were used on, and a person's word for the list's": {func(s *store) {
			s.listed("acme", number, events.Mask(number), old)
			s.requested("acme", "c1", other)
		}, []keycheck.Tenant{acme(old)}, word, nil, nil},
		"an older store, and a list that no key can be checked against": {func(s *store) { s.listed("acme", number, "", old) },
			[]keycheck.Tenant{acme(old)}, keycheck.Accept{}, keycheck.ErrUnproved, []string{"--accept-key acme"}},
		"an older store, such a list, and a person's word": {func(s *store) { s.listed("acme", number, "", old) }, []keycheck.Tenant{acme(old)}, word, nil, nil},
		"a word without a name":                            {func(*store) {}, []keycheck.Tenant{acme(old)}, keycheck.Accept{Tenants: []string{"acme"}, Reason: "x"}, keycheck.ErrAccept, nil},
		"a word for nobody":                                {func(*store) {}, []keycheck.Tenant{beside(old)}, word, keycheck.ErrAccept, nil},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			tc.store(s)
			err := provisioned(s, tc.accept, tc.keys...)
			if !errors.Is(err, tc.want) || (tc.want == nil) != (err == nil) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			s.discreet(err, tc.says)
			// Services ask the same store afterwards, and only read.
			if after := keycheck.Check(t.Context(), s.JS, tc.keys); (after == nil) != (tc.want == nil) {
				t.Errorf("a service with these keys: %v", after)
			}
		})
	}
}

// discreet: an error says what to do and nothing that it should keep.
func (s *store) discreet(err error, says []string) {
	s.t.Helper()
	if err == nil {
		return
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			s.t.Errorf("%q is not in: %v", text, err)
		}
	}
	for _, private := range []string{"6123", "3456", string(old), string(other), old.Check("acme"), other.Check("acme"), old.NumberToken(number)} {
		if strings.Contains(err.Error(), private) {
			s.t.Errorf("%q is in: %v", private, err)
		}
	}
}

func TestAServiceWaitsForProvisionToRecordTheKey(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	err := keycheck.Check(t.Context(), s.JS, []keycheck.Tenant{acme(old)})
	if !errors.Is(err, keycheck.ErrUnrecorded) || !strings.Contains(err.Error(), "outdial provision") {
		t.Errorf("got %v", err)
	}
	if _, _, err := log.GetControl(t.Context(), s.JS, "control.acme.key.check"); !errors.Is(err, log.ErrNone) {
		t.Errorf("a look has written: %v", err)
	}
}

func TestAServerWithoutStreamsKnowsNoKey(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	fresh, err := keycheck.Examine(t.Context(), r.JS, []keycheck.Tenant{acme(old)}, keycheck.Accept{})
	if err != nil || len(fresh) != 1 {
		t.Errorf("%d to record, %v", len(fresh), err)
	}
	if err := keycheck.Check(t.Context(), r.JS, []keycheck.Tenant{acme(old)}); !errors.Is(err, keycheck.ErrUnrecorded) {
		t.Errorf("a service: %v", err)
	}
}

func TestOfManyKeysThatComeAtOnceOneStays(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			errs[i] = keycheck.Write(context.WithoutCancel(t.Context()), s.JS, []keycheck.Tenant{acme(events.NewKey())}, keycheck.Accept{})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, keycheck.ErrOther) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d keys are the store's", won)
	}
}

func TestAPersonsWordIsOnRecord(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.listed("acme", number, "", old)
	if err := provisioned(s, keycheck.Accept{Tenants: []string{"acme"}, By: "ann", Reason: "seen in the safe"}, acme(old)); err != nil {
		t.Fatal(err)
	}
	c, _, err := log.GetControl(t.Context(), s.JS, "control.acme.key.check")
	if err != nil || c.By != "ann" || c.Reason != "seen in the safe" || c.Check == "" {
		t.Errorf("on record: %+v, %v", c, err)
	}
}
