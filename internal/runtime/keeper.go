package runtime

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/pkg/events/fault"
)

// A Keeper keeps what is known of the store in one more place than the
// process's own folder. Kept returns nil when it holds nothing.
type Keeper interface {
	Keep(ctx context.Context, text []byte) error
	Kept(ctx context.Context) ([]byte, error)
}

// remember saves what is known, here and with the keeper.
func (p *past) remember(ctx context.Context) {
	err := p.save()
	if err != nil && !p.failed {
		p.logger.Error("what is known of the store cannot be kept; a restart would believe any store", "state", p.dir, "error", err.Error())
	}
	p.failed = err != nil
	p.mu.Lock()
	keeper, compared := p.keeper, p.compared
	p.mu.Unlock()
	if keeper == nil || !compared && p.compare(ctx) != nil {
		return
	}
	k, version := p.book.Known()
	if version == p.kept || k.Regression != nil {
		return // of a store that went back nothing is noted: what the keeper knew is the evidence
	}
	text, err := marks.Write(k)
	if err == nil {
		err = keeper.Keep(ctx, text)
	}
	if err == nil {
		p.kept = version
	}
	if err != nil && !p.unkept {
		p.logger.Warn("what is known of the store cannot be kept elsewhere too; if all of it is put back from a copy, nobody notices", "error", err.Error())
	}
	p.unkept = err != nil
}

func (p *past) save() error {
	k, version := p.book.Known()
	if p.dir == "" || version == p.saved {
		return nil
	}
	if err := marks.Save(p.dir, k); err != nil {
		return err
	}
	p.saved = version
	return nil
}

// compare holds the store against what the keeper knew. A store in which
// nothing was ever stored is new, whatever the keeper knew of another one; what
// another process has kept of this very store since is held against it.
func (p *past) compare(ctx context.Context) error {
	p.comparing.Lock()
	defer p.comparing.Unlock()
	p.mu.Lock()
	done := p.compared
	p.mu.Unlock()
	if done {
		return nil
	}
	text, err := p.keeper.Kept(ctx)
	if err != nil {
		return err
	}
	if text != nil {
		if err := p.against(ctx, text); err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.compared = true
	p.mu.Unlock()
	return nil
}

func (p *past) against(ctx context.Context, text []byte) error {
	known, err := marks.Read(text)
	switch {
	case err != nil:
		p.logger.Warn("what was kept of the store elsewhere cannot be read; it is written anew")
		return nil
	case p.fresh && !marks.OneStore(known.Marks, p.book.Marks()):
		p.logger.Warn("another store was known; this one is new, and nothing of it was known here")
		return nil
	}
	record, _, err := RecordOf(ctx, p.js)
	if err != nil {
		return err
	}
	views, err := log.Views(ctx, p.js, known.Marks, false)
	if err != nil {
		return err
	}
	if finding, stream, why := marks.Meet(known, record, views); finding == marks.WentBack {
		p.book.Regress(stream, why+", by what was kept elsewhere")
		p.stand(record)
	}
	return nil
}

// keep adds a keeper, and compares the store with what it holds before
// anything else is done. A keeper that does not answer is asked again.
func (p *past) keep(ctx context.Context, k Keeper) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	p.mu.Lock()
	p.keeper = k
	p.mu.Unlock()
	if err := p.compare(ctx); err != nil {
		p.logger.Warn("what is kept of the store elsewhere cannot be read now; it is asked again", "code", fault.Code(err))
	}
	p.onRecord(ctx)
}

// onRecord waits until what was found is on the record that all processes read,
// so that whoever starts after this one knows it from the beginning.
func (p *past) onRecord(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for p.book.Held() != nil {
		if record, _, err := RecordOf(ctx, p.js); err == nil && record.Open() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
