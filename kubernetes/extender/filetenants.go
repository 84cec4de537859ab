package extender

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// role returns the role of a pod: what its label says, else its namespace, as a path, under what that is under. A label that cannot be one
// counts as none.
func (t FileTenants) role(p *v1.Pod) berth.Role {
	if value := p.Labels[t.Label]; value != "" {
		if role := t.path(value); (allocator.Client{Role: role}).Err() == nil {
			return role
		}
	}
	if role := t.path(p.Namespace); (allocator.Client{Role: role}).Err() == nil {
		return role
	}
	return berth.Role(p.Namespace)
}

func (t FileTenants) path(name string) berth.Role {
	path := name
	if t.Separator != "" {
		path = strings.ReplaceAll(name, t.Separator, "/")
	}
	if above := t.Under[name]; above != "" {
		path = above + "/" + path
	}
	return berth.Role(path)
}

// tenants returns what t comes to.
func (t FileTenants) tenants(known resources, fault func(field, format string, args ...any)) Tenants {
	var out Tenants
	tree := allocator.Tree{Exclude: t.Exclude, Hierarchical: t.Hierarchical, Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare)}
	for i, name := range t.Exclude {
		if why := known.fault(name); why != "" {
			fault("tenants.exclude["+strconv.Itoa(i)+"]", "%q: %s", name, why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Under)) {
		if err := (allocator.Client{Role: berth.Role(t.Under[name])}).Err(); err != nil {
			fault("tenants.under."+name, "%v", err)
		}
	}
	for _, role := range slices.Sorted(maps.Keys(t.Weights)) {
		w := t.Weights[role]
		if !(w >= 0.001 && w <= 1e6) {
			fault("tenants.weights."+role, "%s is not from 0.001 to 1000000", strconv.FormatFloat(w, 'g', -1, 64))
			continue
		}
		if tree.Weights == nil {
			tree.Weights = map[berth.Role]allocator.Weight{}
		}
		tree.Weights[berth.Role(role)] = allocator.Weight(math.Round(w * 1000))
	}
	quotas := map[string]*berth.Quota{}
	read := func(field string, of map[string]map[string]resource.Quantity, set func(*berth.Quota, berth.Resources)) {
		for _, role := range slices.Sorted(maps.Keys(of)) {
			amounts := berth.Resources{}
			for _, name := range slices.Sorted(maps.Keys(of[role])) {
				q := of[role][name]
				amount, most := q.Value(), resource.NewQuantity(math.MaxInt64-1, resource.DecimalSI)
				if name == string(v1.ResourceCPU) || known.classes[name] {
					amount, most = q.MilliValue(), resource.NewMilliQuantity(math.MaxInt64, resource.DecimalSI) // thousandths of a core, and of a device
				}
				path := strings.Join([]string{field, role, name}, ".")
				if q.Sign() < 0 {
					fault(path, "%s is negative", q.String())
				} else if q.Cmp(*most) > 0 {
					fault(path, "%s is more than can be counted", q.String())
				}
				if why := known.fault(name); why != "" {
					fault(path, "%s", why)
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
	if t.Fair {
		out.Order = tree
	} else if err := tree.Err(); err != nil {
		fault("tenants", "%v", err)
	}
	return out
}

// resources are the names that a resource can have where there are these classes of devices, which have taken the place of the resources
// that count them.
type resources struct {
	classes map[string]bool
	counted map[string]string // the class by the resource
}

// fault returns why there is no resource of a name, or "".
func (r resources) fault(name string) string {
	if class, counted := r.counted[name]; counted && !r.classes[name] {
		return "nothing has it: it counts devices of class " + strconv.Quote(class) + ", which are named by it"
	}
	switch size, huge := strings.CutPrefix(name, v1.ResourceHugePagesPrefix); {
	case r.classes[name], extended(name):
		return ""
	case slices.Contains([]v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage, v1.ResourcePods}, v1.ResourceName(name)):
		return ""
	case huge:
		if q, err := resource.ParseQuantity(size); err == nil && q.Sign() > 0 {
			return ""
		}
	}
	return "no node can have it: there are cpu, memory, ephemeral-storage, pods, hugepages of a size, names with a domain such as example.com/gpu, and the classes of devices"
}

// extended reports whether a name is that of a resource with a domain of its own, as Kubernetes checks it.
func extended(name string) bool {
	return strings.Contains(name, "/") && !strings.Contains(name, v1.ResourceDefaultNamespacePrefix) && !strings.HasPrefix(name, v1.DefaultResourceRequestsPrefix) &&
		len(validation.IsQualifiedName(v1.DefaultResourceRequestsPrefix+name)) == 0
}
