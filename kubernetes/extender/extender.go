package extender

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/placement"
)

// Mode says how much of a decision is berth's.
type Mode uint8

const (
	// Advise: filter says which nodes can take a pod, and prioritize how berth ranks them, so that the scores of kube-scheduler's own
	// plugins still count. It is the default.
	Advise Mode = iota
	// Decide: filter chooses one node, which is held for the pod until it is bound. kube-scheduler, left with one node, binds the
	// pod there, and all of its own scores are off.
	Decide
)

// String returns "advise" or "decide".
func (m Mode) String() string {
	switch m {
	case Advise:
		return "advise"
	case Decide:
		return "decide"
	}
	return fmt.Sprintf("mode %d", m)
}

// MarshalText returns what String prints.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText returns.
func (m *Mode) UnmarshalText(text []byte) error {
	switch string(text) {
	case "advise":
		*m = Advise
	case "decide":
		*m = Decide
	default:
		return fmt.Errorf("extender: mode %q: it is advise or decide", text)
	}
	return nil
}

// Config says what an Extender does. Cache is needed, and Client for the verb bind.
type Config struct {
	// Cache is the cluster.
	Cache *cache.Cache
	// Client posts Bindings, looks pods up and tells events. Without one bind is refused, and kube-scheduler must bind by itself.
	Client Client
	// Mode is Advise or Decide.
	Mode Mode
	// Strategy says which of the nodes that can take a pod is best. The default is placement.BinPack(). One that learns, such as
	// placement.PricedGaps, is told of each pod when it is first asked about, and before the first of those that run; see [Extender.Learned].
	Strategy placement.Strategy
	// Tenants says what the roles that pods are charged to may have. By default whoever comes first has what there is.
	Tenants Tenants
	// MoreVictims lets preempt name pods of lower priority besides those that kube-scheduler chose, where a node cannot take the pod without.
	// Budgets of disruption are not looked at for those. By default such a node is refused.
	MoreVictims bool
	// HoldFor is how long a node that filter chose is held for the pod, and that bind checked until the Binding is sent. The default is
	// 30 seconds. It must be longer than kube-scheduler takes from filter to bind, waits for volumes included, or the node is chosen anew.
	HoldFor time.Duration
	// BindFor is how long a request to the API server may take. The default is 10 seconds.
	BindFor time.Duration
	// DoubtFor is how long a Binding that nobody answered may still arrive: longer than the API server works on a request. The
	// default is 90 seconds. A pod that is not bound by then gives back what is held for it.
	DoubtFor time.Duration
	// MostSilence is how long the API server may be silent before the cache counts as stale, and every verb answers with an error. The
	// default is a minute.
	MostSilence time.Duration
	// RetryFor is how long a pod is to be tried again soon that berth finds no room for, though kube-scheduler does: on a node that it asks
	// about, which its own plugins let the pod on, nothing is lacking but amounts that they count as well, or berth has not heard of it. So the
	// cache has not been told yet what kube-scheduler knows, or room is held for a pod that is on its way. Filter then answers with
	// an error, after which kube-scheduler tries again within seconds: a pod that was refused it would only try when it is
	// told something new, or after minutes. The default is 30 seconds from the first such answer about the pod; then, and always if it is negative, it is refused.
	RetryFor time.Duration
	// Ready is asked as well whether verbs are to be answered, such as whether this process is the leader of several. The default is nil:
	// nothing else is asked.
	Ready func() error
	// MostBody is how many bytes a request may have. The default is 16 MiB: about a hundred bytes for each node and some
	// hundred thousand for the pod.
	MostBody int64
	// MostTime is how long a request may take to arrive, and then to be answered, bind's calls to the API server excepted. The default is
	// 10 seconds.
	MostTime time.Duration
	// MostCalls is how many requests are worked on at once; those beyond are refused at once. The default is 64. kube-scheduler sends one
	// filter, prioritize or preempt at a time, and any number of binds.
	MostCalls int
	// Clock tells the time by which requests are timed, and until when their bodies are waited for. Connections go by the machine's
	// clock: one that is behind it by MostTime or more cuts every request off. Leases go by the cache's. The default is time.Now.
	Clock func() time.Time
	// Logger is told of what goes wrong at level warn, and of every decision at level debug. The default is silent.
	Logger *slog.Logger
	// Metrics is where the metrics are registered; see the package comment. The default is nowhere.
	Metrics prometheus.Registerer
}

// Err returns every fault of the configuration joined into one error, or nil.
func (c Config) Err() error {
	var errs []error
	fault := func(name string, bad bool, why string) {
		if bad {
			errs = append(errs, fmt.Errorf("extender: config %s: %s", name, why))
		}
	}
	fault("Cache", c.Cache == nil, "there is none")
	fault("Mode", c.Mode > Decide, "it is neither Advise nor Decide")
	fault("HoldFor", c.HoldFor < 0, "it is negative")
	fault("BindFor", c.BindFor < 0, "it is negative")
	fault("DoubtFor", c.DoubtFor < 0, "it is negative")
	fault("MostSilence", c.MostSilence < 0, "it is negative")
	fault("MostBody", c.MostBody < 0, "it is negative")
	fault("MostTime", c.MostTime < 0, "it is negative")
	fault("MostCalls", c.MostCalls < 0, "it is negative")
	if err := c.Strategy.Err(); err != nil {
		errs = append(errs, fmt.Errorf("extender: config Strategy: %w", err))
	}
	if err := c.Tenants.Err(); err != nil {
		errs = append(errs, fmt.Errorf("extender: config Tenants: %w", err))
	}
	return errors.Join(errs...)
}

// Extender answers kube-scheduler. It is an http.Handler for any number of requests at once. New makes one.
type Extender struct {
	config  Config
	cache   *cache.Cache
	log     *slog.Logger
	metrics *metrics
	slots   chan struct{}
	tiers   int // at most so many does the strategy compare by, preferences included; sums of others are 0

	nodes numbering
	gangs gangs // that kube-scheduler tries out, in mode Decide

	mu      sync.Mutex // guards what follows; taken under the lock of the cache, never the other way round
	engine  *placement.Engine
	answers map[string]*answer // by the fingerprint of the group
	turns   uint64             // how often one of these was asked for
	places  []int32
	last    ranked

	learning learning

	playing sync.Mutex // guards played, and is held while turns are played
	played  *turns     // of the state of the cluster that was asked about last

	totals struct {
		sync.Mutex
		changes uint64 // of nodes, as of when they were added up
		of      berth.Resources
	}

	bodies  lists[byte]
	spans   lists[span]
	reading sync.Mutex
	read    struct { // the pod that was read last
		raw []byte
		pod *v1.Pod
	}

	warned  warned
	retries retries

	telling sync.Mutex
	told    map[types.UID]string

	binding sync.Mutex
	binds   map[types.UID]*binding
}

// New returns an extender. It fails with every fault of the configuration.
func New(config Config) (*Extender, error) {
	if err := config.Err(); err != nil {
		return nil, err
	}
	preset := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	preset(&config.HoldFor, 30*time.Second)
	preset(&config.BindFor, 10*time.Second)
	preset(&config.DoubtFor, 90*time.Second)
	preset(&config.MostSilence, time.Minute)
	preset(&config.MostTime, 10*time.Second)
	preset(&config.RetryFor, 30*time.Second)
	if config.Clock == nil {
		config.Clock = time.Now
	}
	if config.MostBody == 0 {
		config.MostBody = 16 << 20
	}
	if config.MostCalls == 0 {
		config.MostCalls = 64
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Extender{
		config: config, cache: config.Cache, log: config.Logger,
		slots: make(chan struct{}, config.MostCalls), engine: placement.NewEngine(config.Strategy), binds: map[types.UID]*binding{},
		learning: learning{learned: placement.NewLearned(config.Strategy), come: map[string]bool{}}, answers: map[string]*answer{}, told: map[types.UID]string{},
	}
	if err := e.cache.State().SetQuotas(config.Tenants.Quotas...); err != nil {
		return nil, fmt.Errorf("extender: %w", err)
	}
	e.tiers = 2 + strings.Count(config.Strategy.String(), ", then")
	var err error
	if e.metrics, err = newMetrics(config.Metrics, e); err != nil {
		return nil, fmt.Errorf("extender: metrics: %w", err)
	}
	return e, nil
}

// Ready returns why the extender cannot answer now, or nil: the cache has not been told all that there is, or not heard of the API server
// for longer than Config.MostSilence, or Config.Ready says so.
func (e *Extender) Ready() error {
	synced, silent := e.cache.Synced()
	switch {
	case !synced:
		return errors.New("berth is not ready: it has not been told yet what there is")
	case silent > e.config.MostSilence:
		return fmt.Errorf("berth is not ready: the API server has been silent for %v", silent.Round(time.Second))
	case e.config.Ready != nil:
		if err := e.config.Ready(); err != nil {
			return fmt.Errorf("berth is not ready: %w", err)
		}
	}
	return nil
}

// snapshot returns the cluster as it is now.
func (e *Extender) snapshot() *cluster.Snapshot {
	s, err := e.cache.State().Snapshot(background)
	if err != nil {
		return new(cluster.Snapshot) // the context does not end
	}
	return s
}

// ask asks the engine about a pod that may be in the cluster already: what it has there counts as gone.
func (e *Extender) ask(s *cluster.Snapshot, t berth.Task, ask placement.Ask) *placement.Choices {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked(s, t, ask)
}

func (e *Extender) asked(s *cluster.Snapshot, t berth.Task, ask placement.Ask) *placement.Choices {
	if _, there := s.Task(t.ID); there {
		ask.Gone = append(ask.Gone, t.ID)
	}
	e.engine.Start(s)
	return e.engine.Candidates(t, ask)
}

// best returns the placement of a pod on the best node of all, with the devices that the strategy likes best there; false if no node can
// take it.
func (e *Extender) best(s *cluster.Snapshot, t berth.Task) (berth.Op, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.engine.Start(s)
	return e.engine.Place(t)
}

// on returns the placement of a pod on a node, likewise.
func (e *Extender) on(s *cluster.Snapshot, t berth.Task, node string) (berth.Op, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.engine.Start(s)
	return e.engine.PlaceWithin(t, berth.NodeID, node)
}

// without returns the cluster without a pod that may be in it.
func without(s *cluster.Snapshot, t berth.Task) *cluster.Snapshot {
	if _, there := s.Task(t.ID); !there {
		return s
	}
	f := s.Fork()
	if _, why := f.Apply(berth.Op{Kind: berth.Release, ID: t.ID}); why.Code != berth.None {
		return s
	}
	return f.Snapshot()
}
