package extender

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
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
//	devices:                         # resources that are devices, and not numbers
//	- class: gpu
//	  whole: nvidia.com/gpu
//	  share: example.com/gpu-milli   # of which a device has 1000
//	  model: nvidia.com/gpu.product  # the label of nodes that names the model
//	moreVictims: true                # preemption may evict more than kube-scheduler asked for
//	rulesAnnotation: true            # pods may have rules of berth's own
//	tenants:
//	  label: team                    # of pods; the default is the namespace
//	  fair: true
//	  exclude: [pods]
//	  weights: {search: 2, ads: 0.5}
//	  limits: {ads: {cpu: "10", gpu: "4"}}
//	  guarantees: {search: {cpu: "4", memory: 16Gi}}
//
// Quantities are those of Kubernetes, of devices by class in devices: "4" of class gpu is four devices, "500m" half a one.
type File struct {
	Mode            Mode            `json:"mode"`
	Strategy        string          `json:"strategy"`
	Seed            uint64          `json:"seed"`
	SchedulerNames  []string        `json:"schedulerNames"`
	HoldFor         metav1.Duration `json:"holdFor"`
	BindFor         metav1.Duration `json:"bindFor"`
	DoubtFor        metav1.Duration `json:"doubtFor"`
	MostSilence     metav1.Duration `json:"mostSilence"`
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
	Label      string                                  `json:"label"`
	Fair       bool                                    `json:"fair"`
	Exclude    []string                                `json:"exclude"`
	Weights    map[string]float64                      `json:"weights"`
	Limits     map[string]map[string]resource.Quantity `json:"limits"`
	Guarantees map[string]map[string]resource.Quantity `json:"guarantees"`
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
		Mode: f.Mode, MoreVictims: f.MoreVictims, HoldFor: f.HoldFor.Duration, BindFor: f.BindFor.Duration, DoubtFor: f.DoubtFor.Duration, MostSilence: f.MostSilence.Duration,
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
	classes, resources := map[string]bool{}, map[string]string{}
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
			if _, twice := resources[name]; name != "" && twice {
				fault(field, "the resource %q is there twice", name)
			}
			resources[name] = d.Class
		}
		reads.Adapter.Devices = append(reads.Adapter.Devices, adapter.Devices{Class: d.Class, Whole: v1.ResourceName(d.Whole), Share: v1.ResourceName(d.Share), Model: d.Model})
	}
	if label := f.Tenants.Label; label != "" {
		reads.Adapter.Role = func(p *v1.Pod) berth.Role { return roleOf(p.Labels[label], p.Namespace) }
	}
	config.Tenants = f.Tenants.tenants(classes, resources, fault)
	errs = append(errs, config.Tenants.Err())
	return config, reads, errors.Join(errs...)
}

// roleOf returns the role that a label names; the namespace, if it names none or what cannot be one.
func roleOf(label, namespace string) berth.Role {
	if role := berth.Role(label); label != "" && role.Err() == nil {
		return role
	}
	return berth.Role(namespace)
}

// tenants returns what t comes to, where there are classes of devices, which have taken the place of the resources that they are counted by.
func (t FileTenants) tenants(classes map[string]bool, resources map[string]string, fault func(field, format string, args ...any)) Tenants {
	out := Tenants{Fair: t.Fair, Exclude: t.Exclude}
	for _, role := range slices.Sorted(maps.Keys(t.Weights)) {
		w := t.Weights[role]
		if !(w >= 0.001 && w <= 1e6) {
			fault("tenants.weights."+role, "%s is not from 0.001 to 1000000", strconv.FormatFloat(w, 'g', -1, 64))
			continue
		}
		if out.Weights == nil {
			out.Weights = map[berth.Role]allocator.Weight{}
		}
		out.Weights[berth.Role(role)] = allocator.Weight(math.Round(w * 1000))
	}
	quotas := map[string]*berth.Quota{}
	read := func(field string, of map[string]map[string]resource.Quantity, set func(*berth.Quota, berth.Resources)) {
		for _, role := range slices.Sorted(maps.Keys(of)) {
			amounts := berth.Resources{}
			for _, name := range slices.Sorted(maps.Keys(of[role])) {
				q := of[role][name]
				amount, most := q.Value(), resource.NewQuantity(math.MaxInt64-1, resource.DecimalSI)
				if name == string(v1.ResourceCPU) || classes[name] {
					amount, most = q.MilliValue(), resource.NewMilliQuantity(math.MaxInt64, resource.DecimalSI) // thousandths of a core, and of a device
				}
				path := strings.Join([]string{field, role, name}, ".")
				switch class, counted := resources[name]; {
				case q.Sign() < 0:
					fault(path, "%s is negative", q.String())
				case q.Cmp(*most) > 0:
					fault(path, "%s is more than can be counted", q.String())
				case counted && name != "" && !classes[name]:
					fault(path, "nothing has it: it counts devices of class %q, by which they are limited and guaranteed", class)
				}
				amounts[name] = max(amount, 0)
			}
			if quotas[role] == nil {
				quotas[role] = &berth.Quota{Role: berth.Role(role)}
			}
			set(quotas[role], amounts)
		}
	}
	read("tenants.limits", t.Limits, func(q *berth.Quota, r berth.Resources) { q.Limits = r })
	read("tenants.guarantees", t.Guarantees, func(q *berth.Quota, r berth.Resources) { q.Guarantees = r })
	for _, role := range slices.Sorted(maps.Keys(quotas)) {
		out.Quotas = append(out.Quotas, *quotas[role])
	}
	return out
}
