package scheduler

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/placement"
)

// Candidates tells which nodes of the source can take a task now, best first: the first is the node that [Scheduler.Plan] picks
// for the task alone, the next the one that it picks where the first is not to be had. It places nothing. What the source
// denies the group as a whole is the reason of the answer, and no node is then a candidate; [StateConfig.Admit] is not
// asked, for it answers about one placement and not about a node. Of a Book the candidates are among what the framework
// was offered.
//
// The demand of a daemon group asks which nodes lack the instance and have room for it, an instance asks about its own
// node, and a task of a gang about one task. To ask where a task that exists could go instead, name it in Gone as well.
//
// It looks at every node once: some 20 to 100 ns each. See [placement.Ask] for what can be asked.
//
// It fails if the task or the question is at fault, or where the source or the context does.
func (s *Scheduler) Candidates(ctx context.Context, task berth.Task, ask placement.Ask) (*placement.Choices, error) {
	if err := s.mayAsk(ctx, task, ask); err != nil {
		return nil, err
	}
	snapshot, err := s.source.Snapshot(ctx)
	if err != nil {
		return nil, faults.Of("scheduler: snapshot", err)
	}
	if source, ok := s.source.(denier); ok {
		if why := source.Denies(task.Group); why.Code != berth.None {
			return &placement.Choices{Version: snapshot.Version(), Reason: why}, nil
		}
	}
	return s.candidates(snapshot, task, ask), nil
}

// CandidatesOn is [Scheduler.Candidates] on a snapshot: of the past, of a fork, or of another source. Nobody is asked what is
// denied.
func (s *Scheduler) CandidatesOn(ctx context.Context, snapshot *cluster.Snapshot, task berth.Task, ask placement.Ask) (*placement.Choices, error) {
	if err := s.mayAsk(ctx, task, ask); err != nil {
		return nil, err
	}
	if snapshot == nil {
		return nil, errors.New("scheduler: candidates: no snapshot")
	}
	return s.candidates(snapshot, task, ask), nil
}

func (s *Scheduler) mayAsk(ctx context.Context, task berth.Task, ask placement.Ask) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if err := errors.Join(wrap(task.Err()), wrap(ask.Err())); err != nil {
		return err
	}
	if err := ended(ctx); err != nil {
		return fmt.Errorf("scheduler: candidates: %w", err)
	}
	return nil
}

func (s *Scheduler) candidates(snapshot *cluster.Snapshot, task berth.Task, ask placement.Ask) *placement.Choices {
	s.mu.Lock()
	defer s.mu.Unlock()
	whole := false
	defer func() {
		if !whole { // a function of the host panicked, in the middle of the picker's work
			s.planner = s.newPlanner()
		}
	}()
	s.choose(snapshot)
	s.tune(s.learned)
	s.planner.picker.Start(snapshot)
	found := s.planner.picker.Candidates(task, ask)
	whole = true
	return found
}
