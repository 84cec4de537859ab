package extendertest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Extender is one that is tested.
type Extender struct {
	// Handler answers the verbs.
	Handler http.Handler
	// Tell tells it of nodes and pods, as a watch does: *v1.Node and *v1.Pod that are its to keep, one at a time. First come those that there
	// are, each as added. Nil is for one that keeps nothing.
	Tell func(watch.Event)
	// Synced is called when it has been told all that there is. It may be nil.
	Synced func()
	// Pass lets time pass for it, so that what it holds for pods that were never bound comes to its end. Nil is for one that
	// holds nothing.
	Pass func(time.Duration)
	// Close is called at its end. It may be nil.
	Close func()
}

// Verbs are the paths below the handler's root. An empty one is not called, as in KubeSchedulerConfiguration.
type Verbs struct{ Filter, Prioritize, Bind, Preempt string }

// Config says what is tested, and on what.
type Config struct {
	// New makes an extender for a cluster. It is called for each scenario, and again where an extender begins anew.
	New func(*API) (Extender, error)
	// Verbs are those that the extender has. The default is all, by their names.
	Verbs Verbs
	// Nodes are those of the cluster. The default is three with four cores each.
	Nodes []*v1.Node
	// Pod is what all pods but victims are like. The default asks for one core.
	Pod *v1.Pod
	// Room is how many such pods fit on the nodes, filled by one scheduler. The default is 12, as for the default nodes and pods; it is
	// needed where Nodes or Pod are given.
	Room int
	// Lease is for how long the extender may hold room for a pod that is not bound. The default is five minutes.
	Lease time.Duration
	// MostBody is how many bytes the extender may read of a request; twice as many are sent, and are to be refused. The default is 32 MiB; 0 is the default.
	MostBody int64
	// Only are the scenarios to play, and Without those not to. The default is all.
	Only, Without []string
}

// Err returns every fault of the configuration joined into one error, or nil.
func (c Config) Err() error {
	var errs []error
	if c.New == nil {
		errs = append(errs, errors.New("extendertest: config New: there is none"))
	}
	if c.Room < 0 || c.Lease < 0 || c.MostBody < 0 {
		errs = append(errs, errors.New("extendertest: config Room, Lease, MostBody: one is negative"))
	}
	if (len(c.Nodes) > 0 || c.Pod != nil) && c.Room == 0 {
		errs = append(errs, errors.New("extendertest: config Room: there is none, and nodes or pods are not the default ones"))
	}
	if slices.Contains(c.Nodes, nil) {
		errs = append(errs, errors.New("extendertest: config Nodes: one is nil"))
	}
	for _, name := range append(slices.Clone(c.Only), c.Without...) {
		if !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.name == name }) {
			errs = append(errs, fmt.Errorf("extendertest: config: no scenario %q", name))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Verbs == (Verbs{}) {
		c.Verbs = Verbs{"filter", "prioritize", "bind", "preempt"}
	}
	if len(c.Nodes) == 0 {
		for _, name := range []string{"n1", "n2", "n3"} {
			c.Nodes = append(c.Nodes, &v1.Node{
				ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}},
				Status: v1.NodeStatus{Allocatable: v1.ResourceList{
					v1.ResourceCPU: resource.MustParse("4"), v1.ResourceMemory: resource.MustParse("8Gi"), v1.ResourcePods: resource.MustParse("110"),
				}},
			})
		}
	}
	if c.Pod == nil {
		c.Pod = &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{
			Name: "main", Image: "example.org/main", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("1")}},
		}}}}
	}
	c.Room, c.Lease, c.MostBody = cmp.Or(c.Room, 12), cmp.Or(c.Lease, 5*time.Minute), cmp.Or(c.MostBody, 32<<20)
	return c
}

// scenario is a play of its own on a cluster of its own.
type scenario struct {
	name string
	play func(*stage)
}

// Run plays every scenario as a test of its own, and fails those in which the extender was found at fault.
func Run(t *testing.T, c Config) {
	t.Helper()
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	for _, s := range c.chosen() {
		t.Run(s.name, func(t *testing.T) {
			for _, f := range play(c.withDefaults(), s) {
				t.Error(f)
			}
		})
	}
}

// Check plays every scenario and returns what was found at fault: nothing, for an extender that is none.
func Check(c Config) []string {
	if err := c.Err(); err != nil {
		return []string{err.Error()}
	}
	var faults []string
	for _, s := range c.chosen() {
		faults = append(faults, play(c.withDefaults(), s)...)
	}
	return faults
}

func (c Config) chosen() (out []scenario) {
	for _, s := range scenarios {
		if (len(c.Only) == 0 || slices.Contains(c.Only, s.name)) && !slices.Contains(c.Without, s.name) {
			out = append(out, s)
		}
	}
	return out
}

// stage is where a scenario is played.
type stage struct {
	Config
	api      *API
	extender Extender
	server   *httptest.Server
	reader   *reader
	*kubeScheduler
	made int
}

// play plays one scenario, and returns its faults, each once, with its name before them.
func play(c Config, s scenario) []string {
	st := &stage{Config: c, api: newAPI()}
	st.kubeScheduler = &kubeScheduler{api: st.api, verbs: c.Verbs, client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	for _, n := range c.Nodes {
		st.api.createNode(n)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if st.start() {
			s.play(st)
			st.stop()
		}
	}()
	select {
	case <-ended:
	case <-time.After(longest):
		return []string{fmt.Sprintf("%s: no end after %v: the extender keeps somebody waiting, who tells it something or asks it", s.name, longest)}
	}
	st.client.CloseIdleConnections()
	faults := append(st.faults, st.api.told()...)
	var out []string
	for _, f := range faults {
		if f = s.name + ": " + f; len(out) < mostFaults && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// longest is how long a scenario may take. They take a second.
const longest = time.Minute

// start makes an extender, and tells it what there is.
func (s *stage) start() bool {
	e, err := s.New(s.api)
	if err == nil && e.Handler == nil {
		err = errors.New("no handler")
	}
	if err != nil {
		s.fault("the extender cannot be made: %v", err)
		return false
	}
	s.extender = e
	if e.Tell != nil {
		s.reader = s.api.watch(e.Tell)
	}
	if e.Synced != nil {
		e.Synced()
	}
	s.server = httptest.NewServer(e.Handler)
	s.url = s.server.URL
	return true
}

func (s *stage) stop() {
	s.server.Close()
	if s.reader != nil {
		s.api.leave(s.reader)
		s.reader = nil
	}
	if s.extender.Close != nil {
		s.extender.Close()
	}
}

// pod creates a pod like the others.
func (s *stage) pod() *v1.Pod {
	s.made++
	p := s.Pod.DeepCopy()
	p.Name = fmt.Sprintf("pod-%d", s.made)
	return s.api.create(p)
}

func (s *stage) nodeNames() (names []string) {
	for _, n := range s.Nodes {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}
