package extender

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/placement"
)

// File is the policies of an extender as an operator writes them down, in YAML or JSON. What is left out has its default. This is all of
// them:
//
//	mode: decide                     # or advise
//	strategy: binpack(cpu, gpu)      # in the text of placement.ParseStrategy
//	seed: 7                          # of ties between equal nodes
//	schedulerNames: [default-scheduler]
//	holdFor: 30s
//	bindFor: 10s
//	doubtFor: 90s
//	mostSilence: 1m
//	retryFor: 30s
//	devices:                         # resources that are devices, and not numbers
//	- class: gpu
//	  whole: nvidia.com/gpu
//	  share: example.com/gpu-milli   # of which a device has 1000
//	  model: nvidia.com/gpu.product  # the label of nodes that names the model
//	moreVictims: true                # preemption may evict more than kube-scheduler asked for
//	rulesAnnotation: true            # pods may have rules of berth's own
//	tenants:                         # who pods are charged to: a role, which is a path
//	  label: team                    # of pods; the default is the namespace
//	  separator: "."                 # between the steps of a path: team: eng.search is eng/search
//	  under: {ads: sales/web}        # ads is sales/web/ads
//	  fair: true                     # by dominant resource fairness, level by level
//	  hierarchical: true             # what children have is rescaled before it is added up: allocator.Tree
//	  exclude: [pods]
//	  weights: {eng: 2, eng/search: 2, sales: 0.5}
//	  limits: {sales: {cpu: "10", gpu: "4"}}
//	  guarantees: {eng/search: {cpu: "4", memory: 16Gi}}
//
// Quantities are those of Kubernetes, of devices by class in devices: "4" of class gpu is four devices, "500m" half a one. Resources are those
// that a node of Kubernetes can have: cpu, memory, ephemeral-storage, pods, hugepages-2Mi and the like, what has a domain such as
// example.com/licenses, and classes of devices.
type File struct {
	Mode            Mode            `json:"mode"`
	Strategy        string          `json:"strategy"`
	Seed            uint64          `json:"seed"`
	SchedulerNames  []string        `json:"schedulerNames"`
	HoldFor         metav1.Duration `json:"holdFor"`
	BindFor         metav1.Duration `json:"bindFor"`
	DoubtFor        metav1.Duration `json:"doubtFor"`
	MostSilence     metav1.Duration `json:"mostSilence"`
	RetryFor        metav1.Duration `json:"retryFor"`
	Devices         []FileDevices   `json:"devices"`
	MoreVictims     bool            `json:"moreVictims"`
	RulesAnnotation bool            `json:"rulesAnnotation"`
	Tenants         FileTenants     `json:"tenants"`
}

// FileDevices is a kind of devices.
type FileDevices struct {
	Class string `json:"class"`
	Whole string `json:"whole"`
	Share string `json:"share"`
	Model string `json:"model"`
}

// FileTenants says who pods are charged to, and what they may have.
type FileTenants struct {
	Label        string                                  `json:"label"`
	Separator    string                                  `json:"separator"`
	Under        map[string]string                       `json:"under"`
	Fair         bool                                    `json:"fair"`
	Hierarchical bool                                    `json:"hierarchical"`
	Exclude      []string                                `json:"exclude"`
	Weights      map[string]float64                      `json:"weights"`
	Limits       map[string]map[string]resource.Quantity `json:"limits"`
	Guarantees   map[string]map[string]resource.Quantity `json:"guarantees"`
}

// ReadFile reads a file, and returns the configurations that it comes to, of an extender and of its cache. What is not of policy,
// such as Client and Logger, is left to the caller. It fails with every fault that there is: words that are not known, and values that
// are of the wrong type or will not do. Of one word, those of tenants apart, a fault of type is told once. Of a text that is no YAML, or has
// a word twice, nothing else is told.
func ReadFile(text []byte) (Config, cache.Config, error) {
	if err := oneDocument(text); err != nil {
		return Config{}, cache.Config{}, fmt.Errorf("extender: file: %w", err)
	}
	as, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return Config{}, cache.Config{}, fmt.Errorf("extender: file: %w", err)
	}
	var f File
	errs := f.read(as)
	config, reads, err := f.Configs()
	if err = errors.Join(append(errs, err)...); err != nil {
		return Config{}, cache.Config{}, err
	}
	return config, reads, nil
}

// oneDocument refuses a text of several documents: all but the first would be passed over.
func oneDocument(text []byte) error {
	r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for some := false; ; {
		document, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		// One that cannot be read is no empty one; what is wrong with it is told where it is read.
		if as, err := yaml.YAMLToJSON(document); err == nil && bytes.Equal(as, []byte("null")) {
			continue
		}
		if some {
			return errors.New("it has more than one document")
		}
		some = true
	}
}

// read takes in an object word by word, so that a value of the wrong type hides no other fault.
func (f *File) read(object []byte) []error {
	var words, tenants map[string]json.RawMessage
	if err := json.Unmarshal(object, &words); err != nil {
		return []error{errors.New("extender: file: it is no list of words with their values")}
	}
	var errs []error
	word := func(name string, raw json.RawMessage, in string) {
		path, object := name, map[string]any{name: raw}
		if in != "" {
			path, object = in+"."+name, map[string]any{in: object}
		}
		as, err := json.Marshal(object)
		if err != nil {
			errs = append(errs, fmt.Errorf("extender: file: %s: %w", path, err))
			return
		}
		strict, err := kjson.UnmarshalStrict(as, f)
		for _, err := range append(strict, err) {
			if err != nil {
				errs = append(errs, fmt.Errorf("extender: file: %s: %w", path, err))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(words)) {
		if name != "tenants" || json.Unmarshal(words[name], &tenants) != nil {
			word(name, words[name], "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tenants)) {
		word(name, tenants[name], "tenants")
	}
	return errs
}

// Configs returns the configurations that a file comes to, or every fault of it.
func (f File) Configs() (Config, cache.Config, error) {
	var errs []error
	fault := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("extender: file: %s: "+format, append([]any{field}, args...)...))
	}
	config := Config{
		Mode: f.Mode, MoreVictims: f.MoreVictims, HoldFor: f.HoldFor.Duration, BindFor: f.BindFor.Duration, DoubtFor: f.DoubtFor.Duration, MostSilence: f.MostSilence.Duration, RetryFor: f.RetryFor.Duration,
	}
	for _, d := range []struct {
		field string
		metav1.Duration
	}{{"holdFor", f.HoldFor}, {"bindFor", f.BindFor}, {"doubtFor", f.DoubtFor}, {"mostSilence", f.MostSilence}} {
		if d.Duration.Duration < 0 {
			fault(d.field, "%v is negative", d.Duration.Duration)
		}
	}
	if f.Mode > Decide {
		fault("mode", "it is advise or decide")
	}
	if f.Strategy != "" {
		strategy, err := placement.ParseStrategy(f.Strategy)
		if err != nil {
			fault("strategy", "%v", err)
		}
		config.Strategy = strategy
	}
	if f.Seed != 0 {
		config.Strategy = config.Strategy.Seed(f.Seed)
	}
	reads := cache.Config{Schedulers: f.SchedulerNames, Adapter: adapter.Config{Rules: f.RulesAnnotation}}
	for i, name := range f.SchedulerNames {
		if name == "" {
			fault(fmt.Sprintf("schedulerNames[%d]", i), "it is empty")
		}
	}
	classes, counted := map[string]bool{}, map[string]string{}
	for i, d := range f.Devices {
		field := fmt.Sprintf("devices[%d]", i)
		switch {
		case d.Class == "":
			fault(field+".class", "it is empty")
		case classes[d.Class]:
			fault(field+".class", "%q is there twice", d.Class)
		}
		classes[d.Class] = true
		if d.Whole == "" && d.Share == "" {
			fault(field, "neither whole nor share names a resource")
		}
		for _, name := range []string{d.Whole, d.Share} {
			if name == "" {
				continue
			}
			if _, twice := counted[name]; twice {
				fault(field, "the resource %q is there twice", name)
			}
			counted[name] = d.Class
			if !extended(name) {
				fault(field, "the resource %q is none that devices are counted by: it needs a domain, such as example.com/gpu", name)
			}
		}
		reads.Adapter.Devices = append(reads.Adapter.Devices, adapter.Devices{Class: d.Class, Whole: v1.ResourceName(d.Whole), Share: v1.ResourceName(d.Share), Model: d.Model})
	}
	known := resources{classes: classes, counted: counted}
	for _, name := range config.Strategy.Resources() {
		if fault := known.fault(name); fault != "" {
			errs = append(errs, fmt.Errorf("extender: file: strategy: %s: %s", name, fault))
		}
	}
	if t := f.Tenants; t.Label != "" || t.Separator != "" || len(t.Under) > 0 {
		reads.Adapter.Role = t.role
	}
	config.Tenants = f.Tenants.tenants(known, fault)
	errs = append(errs, config.Tenants.Err())
	return config, reads, errors.Join(errs...)
}
