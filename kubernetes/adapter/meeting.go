package adapter

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

// podAffinity reads which pods this one is to be near, and which apart from.
func (r *reading) podAffinity() {
	a := r.pod.Spec.Affinity
	if a == nil {
		return
	}
	if near := a.PodAffinity; near != nil {
		r.near(near.RequiredDuringSchedulingIgnoredDuringExecution)
		r.prefer("spec.affinity.podAffinity.preferred", near.PreferredDuringSchedulingIgnoredDuringExecution, 1)
	}
	if apart := a.PodAntiAffinity; apart != nil {
		for i := range apart.RequiredDuringSchedulingIgnoredDuringExecution {
			t := &apart.RequiredDuringSchedulingIgnoredDuringExecution[i]
			if of, ok := r.peers("spec.affinity.podAntiAffinity", t); ok {
				r.rule(constraints.Apart(t.TopologyKey, of))
			}
		}
		r.prefer("spec.affinity.podAntiAffinity.preferred", apart.PreferredDuringSchedulingIgnoredDuringExecution, -1)
	}
}

// near reads required terms of an affinity. A pod is met by those alone that all terms are about, so each term is about all that the others are about.
func (r *reading) near(terms []v1.PodAffinityTerm) {
	if len(terms) == 0 {
		return
	}
	of := berth.AnyTask()
	for i := range terms {
		one, ok := r.peers("spec.affinity.podAffinity", &terms[i])
		if !ok {
			r.rule(constraints.Nowhere()) // nobody is there to be near
			return
		}
		of = and(of, one)
	}
	var keys []string
	for i := range terms {
		if key := terms[i].TopologyKey; !slices.Contains(keys, key) {
			keys = append(keys, key)
			r.rule(constraints.Near(key, of))
		}
	}
}

// prefer reads preferred terms, with the sign of their weights: to be apart from pods is to be near them at a price.
func (r *reading) prefer(field string, terms []v1.WeightedPodAffinityTerm, sign int64) {
	for i := range terms {
		t := &terms[i]
		if of, ok := r.peers(field, &t.PodAffinityTerm); ok && t.Weight != 0 {
			r.spec.Prefer = append(r.spec.Prefer, berth.Preference{
				Rule: constraints.Near(t.PodAffinityTerm.TopologyKey, of), Weight: sign * int64(t.Weight),
			})
		}
	}
}

// peers returns a selector of the pods that a term is about, or false if it can be about none.
func (r *reading) peers(field string, t *v1.PodAffinityTerm) (berth.Selector, bool) {
	of, ok := r.selected(field, t.LabelSelector, t.MatchLabelKeys, t.MismatchLabelKeys)
	if !ok {
		return berth.Selector{}, false
	}
	names, all := slices.Clone(t.Namespaces), false
	switch {
	case t.NamespaceSelector != nil && len(t.NamespaceSelector.MatchLabels)+len(t.NamespaceSelector.MatchExpressions) == 0:
		all = true
	case t.NamespaceSelector != nil && r.config.Namespaces == nil:
		r.left.add(field, "namespaceSelector: the labels of namespaces are not known; those that are named count")
	case t.NamespaceSelector != nil:
		chosen, err := metav1.LabelSelectorAsSelector(t.NamespaceSelector)
		if err != nil {
			r.left.add(field, "namespaceSelector: %v", err)
			break
		}
		for name, has := range r.config.Namespaces() {
			if chosen.Matches(labels.Set(has)) {
				names = append(names, name)
			}
		}
	case len(names) == 0:
		names = []string{r.pod.Namespace}
	}
	switch {
	case all:
		return of, true
	case len(names) == 0:
		return berth.Selector{}, false
	}
	slices.Sort(names)
	return and(of, berth.Label(NamespaceLabel, slices.Compact(names)...)), true
}

// and returns what both select.
func and(of, other berth.Selector) berth.Selector {
	if of == berth.AnyTask() {
		return other
	}
	return of.And(other)
}

// selected returns a selector of the pods that a label selector is about, whatever their namespace, or false if it is about none.
// Of some keys the pods are to have, or not to have, the value that this pod has.
func (r *reading) selected(field string, s *metav1.LabelSelector, match, mismatch []string) (berth.Selector, bool) {
	if s == nil {
		return berth.Selector{}, false
	}
	var parts []berth.Selector
	for _, key := range sortedKeys(s.MatchLabels) {
		parts = append(parts, berth.Label(key, s.MatchLabels[key]))
	}
	for _, e := range s.MatchExpressions {
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			parts = append(parts, berth.Label(e.Key, e.Values...))
		case metav1.LabelSelectorOpNotIn:
			parts = append(parts, berth.Label(e.Key, e.Values...).Not())
		case metav1.LabelSelectorOpExists:
			parts = append(parts, berth.HasLabel(e.Key))
		case metav1.LabelSelectorOpDoesNotExist:
			parts = append(parts, berth.HasLabel(e.Key).Not())
		default:
			r.left.add(field, "labelSelector: the operator %q chooses no pod", e.Operator)
			return berth.Selector{}, false
		}
	}
	for _, key := range match {
		if value, ok := r.pod.Labels[key]; ok {
			parts = append(parts, berth.Label(key, value))
		}
	}
	for _, key := range mismatch {
		if value, ok := r.pod.Labels[key]; ok {
			parts = append(parts, berth.Label(key, value).Not())
		}
	}
	if len(parts) == 0 {
		return berth.AnyTask(), true
	}
	return parts[0].And(parts[1:]...), true
}

// spread reads how even the pod's like are to be over domains.
func (r *reading) spread() {
	r.allKeys()
	for i := range r.pod.Spec.TopologySpreadConstraints {
		c := &r.pod.Spec.TopologySpreadConstraints[i]
		const field = "spec.topologySpreadConstraints"
		of, ok := r.selected(field, c.LabelSelector, c.MatchLabelKeys, nil)
		if !ok || of == berth.AnyTask() {
			of = berth.AnyTask().Not() // without a selector, and with an empty one, no pod counts; the node must have the label all the same
		}
		if honors(c.NodeTaintsPolicy, v1.NodeInclusionPolicyIgnore) {
			r.left.add(field, "pods on tainted nodes count in domains that have others as well")
		}
		if honors(c.NodeAffinityPolicy, v1.NodeInclusionPolicyHonor) && r.choosesNodes() {
			r.left.add(field, "pods on nodes that the affinity excludes count in domains that have others as well")
		}
		rule := constraints.GroupBy(c.TopologyKey).Of(and(of, berth.Label(NamespaceLabel, r.pod.Namespace))).
			Skew(int(c.MaxSkew)).WithoutStopping()
		if !honors(c.NodeTaintsPolicy, v1.NodeInclusionPolicyIgnore) {
			rule = rule.CordonedToo() // of tainted nodes too
		}
		if !honors(c.NodeAffinityPolicy, v1.NodeInclusionPolicyHonor) {
			rule = rule.ExcludedToo()
		}
		if c.MinDomains != nil {
			rule = rule.MinDomains(int(*c.MinDomains))
		}
		switch c.WhenUnsatisfiable {
		case v1.DoNotSchedule:
			r.rule(rule)
		case v1.ScheduleAnyway:
			r.spec.Prefer = append(r.spec.Prefer, berth.Preference{Rule: rule, Weight: spreadWeight})
		default:
			r.left.add(field, "whenUnsatisfiable %q is not known: the pod is not spread over %s", c.WhenUnsatisfiable, c.TopologyKey)
		}
	}
}

// allKeys reads what constraints about several keys say together: a node without one of them is in no domain of the others either.
func (r *reading) allKeys() {
	var keys []string
	for i := range r.pod.Spec.TopologySpreadConstraints {
		c := &r.pod.Spec.TopologySpreadConstraints[i]
		if c.WhenUnsatisfiable == v1.DoNotSchedule && !slices.Contains(keys, c.TopologyKey) {
			keys = append(keys, c.TopologyKey)
		}
	}
	if len(keys) < 2 {
		return
	}
	r.left.add("spec.topologySpreadConstraints", "pods on nodes without one of the labels count in domains that have others as well")
	for _, key := range keys {
		r.rule(constraints.Exists(key)) // which leaves such nodes out of those whose domains count
	}
}

// spreadWeight is what a spread that may be broken weighs beside preferred affinities, whose weights go from 1 to 100.
const spreadWeight = 50

// honors reports whether a policy is Honor, given what it is if it is not set.
func honors(p *v1.NodeInclusionPolicy, unset v1.NodeInclusionPolicy) bool {
	if p == nil {
		return unset == v1.NodeInclusionPolicyHonor
	}
	return *p == v1.NodeInclusionPolicyHonor
}

// choosesNodes reports whether the pod has a node selector or a required node affinity.
func (r *reading) choosesNodes() bool {
	a := r.pod.Spec.Affinity
	return len(r.pod.Spec.NodeSelector) > 0 || a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil
}
