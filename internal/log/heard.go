package log

import (
	"context"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// CallOf is the call that an event belongs to, at least as far as that event:
// who is told of one before this process has heard it learns it from there, or
// asks the leader.
func (l *Log) CallOf(ctx context.Context, r events.Record) (*lifecycle.Call, error) {
	if l.view != nil {
		l.view.Learn(r)
	}
	c, err := l.Call(ctx, RefOf(r))
	if err == nil && c.Seq() < r.Seq {
		return l.LatestCall(ctx, RefOf(r))
	}
	return c, err
}

// AgentOf is CallOf for an agent.
func (l *Log) AgentOf(ctx context.Context, r events.Record) (*lifecycle.Agent, error) {
	if l.view != nil {
		l.view.Learn(r)
	}
	a, err := l.Agent(ctx, RefOf(r))
	if err == nil && a.Last.Seq < r.Seq {
		return l.LatestAgent(ctx, RefOf(r))
	}
	return a, err
}

// OpenCalls shows the calls that are open as far as this process has heard; none
// without a view that holds them all. Nobody changes what is shown.
func (l *Log) OpenCalls(show func(*lifecycle.Call)) {
	if all, ok := l.view.(interface{ OpenCalls(func(*lifecycle.Call)) }); ok {
		all.OpenCalls(show)
	}
}

// Agents shows every agent that this process has heard of; none without a view
// that holds them. Nobody changes what is shown.
func (l *Log) Agents(show func(*lifecycle.Agent)) {
	if all, ok := l.view.(interface{ Agents() []*lifecycle.Agent }); ok {
		for _, a := range all.Agents() {
			show(a)
		}
	}
}
