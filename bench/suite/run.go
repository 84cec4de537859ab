package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// Tier is how much is run.
type Tier int

const (
	// Quick is under a minute on one core.
	Quick Tier = iota
	// Standard takes minutes.
	Standard
	// Full takes less than an hour.
	Full
)

// String returns "quick", "standard" or "full".
func (t Tier) String() string {
	return [...]string{"quick", "standard", "full"}[min(max(t, Quick), Full)]
}

// FirstSeed is the seed that runs begin with; those that follow count up from it, as the published experiments do.
const FirstSeed = 42

// Limits of a Config, far above what anybody needs and far below what would exhaust a machine.
const (
	MaxNodes = 2_000_000
	MaxSeeds = 10_000
)

// Config says what of a suite is run.
type Config struct {
	Tier  Tier
	Nodes int // of generated cells; 0 is what the tier has
	Seeds int // how many; 0 is what the tier has
	// Data is a folder with files of published traces; without one, cells are generated.
	Data string
	// Scenarios and Policies are names of those to run; none is all. Where orders are compared, Policies names orders.
	Scenarios, Policies []string
	// Done is told of each case that is done, and may stop the run by an error. Nil tells nobody.
	Done func(p Progress) error
	// Have returns what is known of a case already, which is then not run. Nil knows nothing.
	Have func(k Key) (*Result, *Timing, bool)

	said bool // Nodes is what was asked for, and not what the tier has
}

// Progress is how far a run has come.
type Progress struct {
	Key
	Done, Cases int
	Result      *Result // of the case that has just been done
	Timing      *Timing // nil if it has none
	Known       bool    // it was known already
}

func (c Config) sized() Config {
	if c.Nodes != 0 {
		c.said = true
	} else {
		c.Nodes = [...]int{300, 1000, 4000}[min(max(c.Tier, Quick), Full)]
	}
	if c.Seeds == 0 {
		c.Seeds = [...]int{2, 5, 10}[min(max(c.Tier, Quick), Full)]
	}
	return c
}

// Err returns every fault of the configuration joined into one error, or nil.
func (c Config) Err() error {
	var faults []error
	if c.Tier < Quick || c.Tier > Full {
		faults = append(faults, fmt.Errorf("suite: no tier %d", int(c.Tier)))
	}
	if c.Nodes < 0 || c.Nodes > MaxNodes {
		faults = append(faults, fmt.Errorf("-nodes %d: not within 1 to %d", c.Nodes, MaxNodes))
	}
	if c.Seeds < 0 || c.Seeds > MaxSeeds {
		faults = append(faults, fmt.Errorf("-seeds %d: not within 1 to %d", c.Seeds, MaxSeeds))
	}
	return errors.Join(faults...)
}

// Run is one case of a scenario: what is to be tried, and where what came of it is noted.
type Run struct {
	Config   Config
	Cell     *Cell
	Policy   *Policy // nil where orders are compared
	Strategy placement.Strategy
	Orders   *Order // nil where policies are compared
	Order    allocator.Order
	Result   *Result
	Timing   *Timing

	now time.Time // what the clock of the state says
}

// Metric notes a figure that is the same on every machine.
func (r *Run) Metric(name string, v float64) { r.Result.Metrics[name] = round(v) }

// Curve notes a figure over another.
func (r *Run) Curve(name string, xs, ys []float64) {
	c := Curve{make([]float64, len(xs)), make([]float64, len(ys))}
	for i := range xs {
		c.X[i], c.Y[i] = round(xs[i]), round(ys[i])
	}
	if r.Result.Curves == nil {
		r.Result.Curves = map[string]Curve{}
	}
	r.Result.Curves[name] = c
}

// Time notes a figure that depends on the machine.
func (r *Run) Time(name string, v float64) { r.Timing.Metrics[name] = round(v) }

// Scheduler returns a state with some nodes, and a scheduler on it that decides as the case has it.
func (r *Run) Scheduler(nodes []berth.Node) (*scheduler.State, *scheduler.Scheduler, error) {
	state, err := scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return r.now }}, nodes...)
	if err != nil {
		return nil, nil, err
	}
	s, err := scheduler.New(state, scheduler.Config{Strategy: r.Strategy, Order: r.Order})
	return state, s, err
}

// job is a workload of a scenario, with whoever is compared on it.
type job struct {
	scenario *Scenario
	workload Workload
	rivals   []rival
}

type rival struct {
	name   string
	policy *Policy
	order  *Order
}

// about says what the rival is.
func (r *rival) about() string {
	if r.order != nil {
		return r.order.About
	}
	return r.policy.About
}

// jobs returns what there is to do, and how many cases that are.
func (s *Suite) jobs(c Config) (jobs []job, cases int, err error) {
	faults := []error{s.Err(), c.Err()}
	scenarios, err := chosen("scenario", s.Scenarios, func(x Scenario) string { return x.Name }, c.Scenarios)
	faults = append(faults, err)
	var rivals []rival
	for i := range s.Policies {
		rivals = append(rivals, rival{name: s.Policies[i].Name, policy: &s.Policies[i]})
	}
	for i := range s.Orders {
		rivals = append(rivals, rival{name: s.Orders[i].Name, order: &s.Orders[i]})
	}
	rivals, err = chosen("policy or order", rivals, func(x rival) string { return x.name }, c.Policies)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, 0, err
	}
	var idle []string // why scenarios have nothing to do
	for i := range scenarios {
		x := &scenarios[i]
		var compared []rival
		for _, r := range rivals {
			if (r.order != nil) == x.ByOrder && (x.Offline || r.policy == nil || r.policy.Sort == nil) {
				compared = append(compared, r)
			}
		}
		if len(compared) == 0 {
			idle = append(idle, fmt.Sprintf("%s compares %s, and none that is asked for", x.Name, x.compares()))
			continue
		}
		workloads, err := x.Workloads(c)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", x.Name, err))
			continue
		}
		if x.Takes {
			workloads = append(workloads, s.Workloads...)
		}
		if len(workloads) == 0 {
			idle = append(idle, fmt.Sprintf("%s has no workload without files that it knows in the folder of -data", x.Name))
		}
		for _, w := range workloads {
			jobs = append(jobs, job{x, w, compared})
			cases += len(compared) * c.Seeds
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, 0, err
	}
	if cases == 0 {
		return nil, 0, fmt.Errorf("nothing to run: %s", strings.Join(idle, "; "))
	}
	return jobs, cases, nil
}

// compares says what the rivals of a scenario are.
func (x *Scenario) compares() string {
	switch {
	case x.ByOrder:
		return "orders of roles"
	case x.Offline:
		return "policies"
	}
	return "policies that do not sort"
}

// Run runs every case of the configuration, one after another, and returns what came of them. Where it ends early, because the
// context did or a case failed, the document is that of the cases before, not complete, and the error says why; it is
// nil only if nothing could be run at all.
func (s *Suite) Run(ctx context.Context, c Config) (*Document, error) {
	c = c.sized()
	jobs, cases, err := s.jobs(c)
	if err != nil {
		return nil, err
	}
	d := &Document{Schema: Schema, Berth: buildOf(), Machine: machineOf(), Quality: Quality{Tier: c.Tier.String(), Nodes: c.Nodes, Inputs: []Input{}}}
	for i := range c.Seeds {
		d.Quality.Seeds = append(d.Quality.Seeds, FirstSeed+uint64(i))
	}
	for _, j := range jobs {
		d.Quality.addInputs(j.workload.Inputs)
		for _, rv := range j.rivals {
			if !slices.ContainsFunc(d.Policies, func(a About) bool { return a.Name == rv.name }) {
				d.Policies = append(d.Policies, About{rv.name, rv.about()})
			}
		}
	}
	done := 0
	for _, j := range jobs {
		for _, seed := range d.Quality.Seeds {
			var cell *Cell // made when the first case needs it
			for _, rv := range j.rivals {
				p := Progress{Key: Key{j.scenario.Name, j.workload.Name, rv.name, seed}, Cases: cases}
				if c.Have != nil {
					p.Result, p.Timing, p.Known = c.Have(p.Key)
				}
				if !p.Known {
					if cell == nil {
						if cell, err = j.workload.Cell(seed); err != nil {
							return d, fmt.Errorf("%s, %s, seed %d: %w", j.scenario.Name, j.workload.Name, seed, err)
						}
					}
					p.Result, p.Timing, err = try(ctx, j, rv, cell, c, p.Key)
					if errors.Is(err, ErrUnsuited) {
						done++
						continue
					}
					if err != nil {
						return d, fmt.Errorf("%s, %s, %s, seed %d: %w", j.scenario.Name, j.workload.Name, rv.name, seed, err)
					}
				}
				d.Quality.Results = append(d.Quality.Results, *p.Result)
				if p.Timing != nil {
					d.Timings = append(d.Timings, *p.Timing)
				}
				done++
				p.Done = done
				if c.Done != nil {
					if err := c.Done(p); err != nil {
						return d, err
					}
				}
			}
		}
	}
	d.Complete = true
	return d, nil
}

func try(ctx context.Context, j job, rv rival, cell *Cell, c Config, k Key) (_ *Result, _ *Timing, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	of := *cell // a policy that sorts has a list of its own
	r := &Run{Config: c, Cell: &of, Policy: rv.policy, Orders: rv.order,
		Result: &Result{Key: k, Nodes: len(cell.Nodes), Tasks: len(cell.Arrivals), Metrics: map[string]float64{}},
		Timing: &Timing{Key: k, Nodes: len(cell.Nodes), Tasks: len(cell.Arrivals), Metrics: map[string]float64{}},
	}
	if rv.policy != nil {
		if r.Strategy, err = rv.policy.Strategy(&of); err == nil {
			err = r.Strategy.Err()
		}
		r.Result.Strategy = r.Strategy.String()
	} else if r.Order, err = rv.order.Of(&of); err == nil {
		r.Result.Strategy = r.Strategy.String()
	}
	if err != nil {
		return nil, nil, err
	}
	if err := j.scenario.Run(ctx, r); err != nil {
		return nil, nil, err
	}
	if len(r.Timing.Metrics) == 0 {
		r.Timing = nil
	}
	return r.Result, r.Timing, nil
}
