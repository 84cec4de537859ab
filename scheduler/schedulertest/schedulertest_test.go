package schedulertest

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

func newState(t testing.TB, nodes []berth.Node) Fixture {
	state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
	require.NoError(t, err)
	return Fixture{Source: state}
}

func TestState(t *testing.T) {
	Run(t, newState)
}

// faulty is a State with one thing wrong with it.
type faulty struct {
	*scheduler.State
	snapshot func(context.Context) (*cluster.Snapshot, error)
	commit   func(context.Context, *cluster.Plan) (*cluster.Outcome, error)
	changed  func() <-chan struct{}
}

func (f faulty) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	if f.snapshot != nil {
		return f.snapshot(ctx)
	}
	return f.State.Snapshot(ctx)
}

func (f faulty) Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
	if f.commit != nil {
		return f.commit(ctx, p)
	}
	return f.State.Commit(ctx, p)
}

func (f faulty) Changed() <-chan struct{} {
	if f.changed != nil {
		return f.changed()
	}
	return f.State.Changed()
}

// The kit is of use only if it finds faults: each of these must fail the checks named, and may fail others.
func TestKitFindsFaults(t *testing.T) {
	closed := make(chan struct{})
	close(closed)
	tests := []struct {
		name  string
		fault func(*faulty)
		found []string
	}{
		{"ignores the context", func(f *faulty) {
			f.commit = func(_ context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
				return f.State.Commit(context.Background(), p)
			}
		}, []string{"an ended context does nothing"}},
		{"takes plans of anyone", func(f *faulty) {
			f.commit = func(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
				if p == nil {
					return &cluster.Outcome{}, nil
				}
				q := *p
				q.Version = f.State.Version()
				return f.State.Commit(ctx, &q)
			}
		}, []string{"another lineage is an error", "no plan is an error"}},
		{"refuses stale plans", func(f *faulty) {
			f.commit = func(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
				if p != nil && p.Version != f.State.Version() {
					return nil, errors.New("stale")
				}
				return f.State.Commit(ctx, p)
			}
		}, []string{"a stale version is no error"}},
		{"places groups in part", func(f *faulty) {
			f.commit = func(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
				if p != nil {
					q := *p
					q.Together = nil
					p = &q
				}
				return f.State.Commit(ctx, p)
			}
		}, []string{"groups go together"}},
		{"does parts in part", func(f *faulty) {
			f.commit = func(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
				if p != nil && p.Err() == nil {
					q := *p
					q.Parts, q.Whole = nil, false
					p = &q
				}
				return f.State.Commit(ctx, p)
			}
		}, []string{"parts are whole"}},
		{"stops at the first refusal", func(f *faulty) {
			f.commit = func(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
				out, err := f.State.Commit(ctx, p)
				if err == nil && len(out.Refused) > 0 {
					out.Placed = nil
				}
				return out, err
			}
		}, []string{"a commit does what it can", "rules hold at commit"}},
		{"writes to the plan", func(f *faulty) {
			f.commit = func(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
				out, err := f.State.Commit(ctx, p)
				if err == nil && len(p.Ops) > 0 {
					p.Ops[0].Grant = new(berth.Grant)
				}
				return out, err
			}
		}, []string{"a commit leaves the plan alone"}},
		{"shows the past", func(f *faulty) {
			old, _ := f.State.Snapshot(context.Background())
			f.snapshot = func(context.Context) (*cluster.Snapshot, error) { return old, nil }
		}, []string{"what is committed is seen", "never overcommit"}},
		{"commits nothing", func(f *faulty) {
			f.commit = func(_ context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
				if p == nil {
					return nil, errors.New("no plan")
				}
				return &cluster.Outcome{Placed: p.Ops, Version: f.State.Version()}, nil
			}
		}, []string{"never overcommit", "rules hold at commit", "release gives room back", "a task is placed once", "changed is closed by a change"}},
		{"is always changed", func(f *faulty) {
			f.changed = func() <-chan struct{} { return closed }
		}, []string{"changed is closed by a change", "an empty plan does nothing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range checks {
				probe := &probe{TB: t}
				probe.run(func() {
					c.run(probe, func(t testing.TB, nodes []berth.Node) Fixture {
						f := &faulty{State: newState(t, nodes).Source.(*scheduler.State)}
						tt.fault(f)
						return Fixture{Source: f}
					})
				})
				for _, name := range tt.found {
					if name == c.name {
						assert.True(t, probe.failed, "%q did not find the fault", c.name)
					}
				}
			}
		})
	}
}

// probe is a test that may fail without failing the one it is run in.
type probe struct {
	testing.TB
	failed bool
}

func (p *probe) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (p *probe) Error(...any)          { p.failed = true }
func (p *probe) Errorf(string, ...any) { p.failed = true }
func (p *probe) Fatal(...any)          { p.FailNow() }
func (p *probe) FailNow() {
	p.failed = true
	runtime.Goexit()
}
