package extender

import (
	"math/bits"
	"slices"
	"strings"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/placement"
)

// answer is what the engine said of all nodes for pods that are alike, to be brought up to date when such a pod is asked about again.
type answer struct {
	group   *berth.Group // of the first of them: that of a later one equals it, but may be another if there was no such pod in between
	choices *placement.Choices
	set     uint64  // of nodes, whose numbers these are
	numbers []int32 // of the choices, in their order, as of when they were last needed
	spare   []int32
	used    uint64 // when it was last
}

// mostAnswers is how many kinds of pods have their answer kept. That of 5,000 nodes has some 300 kB.
const mostAnswers = 16

// ranking is what the nodes of a request come to for a pod.
type ranking struct {
	reason  berth.Reason // what keeps the pod off every node, whatever the nodes have
	fit     []string     // the best first
	runs    []run        // their scores
	misfits []nodeText   // why others cannot take the pod, in the order of their names
	soft    int          // the one of these that is resolvable; -1 without one
	behind  bool         // one of these kube-scheduler would not ask about if it knew no more
}

// ranked is the last ranking. As long as neither the cluster nor the pod has changed, asking again would give the same.
type ranked struct {
	version cluster.Version
	group   *berth.Group
	id      string
	fit     []string
	runs    []run
}

// nodeText is why a node cannot take a pod.
type nodeText struct{ node, text string }

// rank asks about the nodes that a request names. Where those are most of all that there are, all are asked about, in the room of the answer about
// the last pod of that kind: only nodes that have changed are then looked at again. The set of nodes is that of before the snapshot was taken.
//
// A pod that was nominated to a node is told what it lacks there as something that time may mend.
func (e *Extender) rank(set uint64, s *cluster.Snapshot, t berth.Task, among []string, nominated string) ranking {
	e.mu.Lock()
	defer e.mu.Unlock()
	ask, task, all := placement.Ask{Among: among, Misfits: true}, t, false
	var kept *answer
	var unknown []string
	there := 0
	if len(among) > s.Len()/8 && s.Len() > 0 && set == e.cache.NodeSet() {
		e.nodes.learn(set, s)
		there, unknown = e.nodes.mark(among)
		kept, all = e.kept(t.Group, set), there == s.Len()
		ask.Among, ask.Into = nil, kept.choices
		task.Group = kept.group
	}
	choices := e.asked(s, task, ask)
	if kept != nil {
		kept.choices = choices
	}
	out := ranking{reason: choices.Reason, soft: -1}
	if out.reason.Code != berth.None {
		return out
	}
	var at []int32 // by place in fit: that among the choices; the same if it is nil
	out.fit = make([]string, 0, choices.Len())
	switch {
	case kept == nil || all:
		for c := range choices.All() {
			out.fit = append(out.fit, c.Node)
		}
	default:
		kept.numbers, kept.spare = e.nodes.find(choices.Len(), func(i int) string { return choices.At(i).Node }, kept.numbers, kept.spare), kept.numbers
		at = e.places[:0]
		for i, n := range kept.numbers {
			if e.nodes.marked(n) {
				out.fit, at = append(out.fit, choices.At(i).Node), append(at, int32(i))
			}
		}
		e.places = at
	}
	place := func(i int) placement.Choice {
		if at != nil {
			i = int(at[i])
		}
		return choices.At(i)
	}
	out.runs = score(len(out.fit), func(i int) bool { return equal(place(i-1), place(i), e.tiers) })
	e.tellMisfits(&out, choices, kept != nil && !all, unknown, nominated)
	e.last = ranked{version: choices.Version, group: t.Group, id: t.ID, fit: out.fit, runs: out.runs}
	return out
}

// kept returns the answer that is kept for a kind of pods, a new one if there is none.
func (e *Extender) kept(g *berth.Group, set uint64) *answer {
	e.turns++
	key := g.Fingerprint()
	a := e.answers[key]
	if a == nil {
		if len(e.answers) >= mostAnswers {
			oldest, since := "", e.turns
			for key, a := range e.answers {
				if a.used < since { // no two were last used in one turn
					oldest, since = key, a.used
				}
			}
			delete(e.answers, oldest)
		}
		a = &answer{group: g, choices: new(placement.Choices)}
		e.answers[key] = a
	}
	if a.set != set {
		a.set, a.numbers = set, a.numbers[:0]
	}
	a.used = e.turns
	return a
}

// tellMisfits tells why nodes cannot take the pod; of those that the request names, if only some are wanted. All but the node that
// the pod was nominated to are told as unresolvable, whatever keeps the pod off: a node is only asked about if kube-scheduler's own
// plugins have let the pod in, so its preemption would find that nobody has to go there, and fail at that again and again. On the
// nominated node pods are on their way out, and the pod is to wait for them.
func (e *Extender) tellMisfits(out *ranking, choices *placement.Choices, some bool, unknown []string, nominated string) {
	if len(choices.Misfits)+len(unknown) == 0 {
		return
	}
	var t texts
	out.misfits = make([]nodeText, 0, len(choices.Misfits)+len(unknown))
	k := 0
	for i := range choices.Misfits {
		m := &choices.Misfits[i]
		if some { // both are in the order of names
			for k < len(e.nodes.names) && e.nodes.names[k] != m.Node {
				k++
			}
			if k == len(e.nodes.names) || !e.nodes.marked(int32(k)) {
				continue
			}
		}
		out.behind = out.behind || len(out.fit) == 0 && e.counted(m.Lacks)
		if m.Node == nominated && resolvable(m.Lacks) {
			out.soft = len(out.misfits)
		}
		out.misfits = append(out.misfits, nodeText{m.Node, t.of(m.Lacks)})
	}
	if len(unknown) > 0 {
		out.behind = true
		soft := ""
		if out.soft >= 0 {
			soft = nominated
		}
		for _, name := range unknown {
			out.misfits = append(out.misfits, nodeText{name, unknownText})
		}
		slices.SortFunc(out.misfits, func(a, b nodeText) int { return strings.Compare(a.node, b.node) })
		out.soft = slices.IndexFunc(out.misfits, func(m nodeText) bool { return soft != "" && m.node == soft })
	}
}

// verdicts returns a ranking as the answer of filter.
func (r *ranking) verdicts() *verdicts {
	out := &verdicts{fit: r.fit, unresolvable: r.misfits}
	if r.soft >= 0 {
		out.failed = r.misfits[r.soft : r.soft+1]
		out.unresolvable = slices.Concat(r.misfits[:r.soft], r.misfits[r.soft+1:])
	}
	return out
}

// scores returns what the nodes are worth, from 0 to 10. It goes by the ranking that filter has just made, as long as nothing has changed
// since that could make it another.
func (e *Extender) scores(pod cache.Pod, among []string) *priorities {
	t, set, snapshot := pod.Task, e.cache.NodeSet(), e.view(pod)
	e.mu.Lock()
	last := e.last
	e.mu.Unlock()
	if last.id == t.ID && last.group == t.Group && last.version == snapshot.Version() && slices.Equal(last.fit, among) {
		return &priorities{hosts: among, runs: last.runs}
	}
	r := e.rank(set, snapshot, t, among, "")
	of, at := make(map[string]int64, len(r.fit)), 0
	for i, name := range r.fit {
		for at+1 < len(r.runs) && r.runs[at+1].from <= i {
			at++
		}
		of[name] = r.runs[at].score
	}
	out := &priorities{hosts: among}
	for i, name := range among { // 0 is that of those that cannot take the pod
		if i == 0 || of[name] != out.runs[len(out.runs)-1].score {
			out.runs = append(out.runs, run{i, of[name]})
		}
	}
	return out
}

// run is a score that all nodes have from one of a list on, until the next run begins.
type run struct {
	from  int
	score int64
}

// score maps ranks to the scores of the protocol, 10 for the first and 0 for the last: 10 less ten times the part that the logarithm of
// the rank is of the logarithm of the number of nodes. So the first few of thousands differ as those of a few do, which is
// where the choice is made. Nodes that are as good as the one before, which same says, have its score. Scores of a strategy, taken as they
// are, would be lost in rounding: on a large cluster a pod changes a node by less than a tenth.
func score(nodes int, same func(i int) bool) (runs []run) {
	whole := log2(nodes)
	of := func(i int) int64 {
		if whole == 0 {
			return extenderv1.MaxExtenderPriority
		}
		return extenderv1.MaxExtenderPriority - int64((log2(i+1)*10+whole/2)/whole)
	}
	for i := 0; i < nodes; {
		now := of(i)
		if n := len(runs); n == 0 || runs[n-1].score != now {
			runs = append(runs, run{i, now})
		}
		low, high := i+1, nodes // the first that is worth less is in between
		for low < high {
			if middle := int(uint(low+high) / 2); of(middle) < now {
				high = middle
			} else {
				low = middle + 1
			}
		}
		for i = low; i < nodes && same(i); i++ {
		}
	}
	return runs
}

// equal reports whether two nodes are equally good but for the order of ties.
func equal(a, b placement.Choice, tiers int) bool {
	for tier := range tiers {
		if a.Sum(tier) != b.Sum(tier) {
			return false
		}
	}
	return true
}

// log2 returns the logarithm to base 2 of a positive number in units of 1/65536, rounded down: in whole numbers, so that it is the same on
// every machine.
func log2(n int) (out int) {
	if n <= 1 {
		return 0
	}
	whole := bits.Len(uint(n)) - 1
	x := uint64(n) << (62 - whole) // from 1 to below 2, in units of 2^-62
	for range 16 {
		hi, lo := bits.Mul64(x, x)
		x = hi<<2 | lo>>62 // the square, in the same units
		out <<= 1
		if x >= 1<<63 {
			out |= 1
			x >>= 1
		}
	}
	return whole<<16 | out
}
