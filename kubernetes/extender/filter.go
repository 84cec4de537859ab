package extender

import (
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"time"

	v1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/placement"
)

// names returns the nodes that a request is about, by name.
func names(args *extenderv1.ExtenderArgs) ([]string, error) {
	switch {
	case args.Pod == nil:
		return nil, withStatus(http.StatusBadRequest, "the request has no pod")
	case args.Pod.UID == "":
		return nil, withStatus(http.StatusBadRequest, "pod %s/%s has no UID", args.Pod.Namespace, args.Pod.Name)
	case args.NodeNames == nil && args.Nodes != nil:
		return nil, withStatus(http.StatusBadRequest, "the request has whole nodes: set nodeCacheCapable: true, so that kube-scheduler sends names")
	case args.NodeNames == nil:
		return nil, withStatus(http.StatusBadRequest, "the request has no NodeNames")
	}
	return *args.NodeNames, nil
}

// filter says which nodes can take a pod.
func (e *Extender) filter(_ *http.Request, args *extenderv1.ExtenderArgs) (*extenderv1.ExtenderFilterResult, error) {
	among, err := names(args)
	if err != nil {
		return nil, err
	}
	if e.config.Mode == Decide {
		return e.decide(args.Pod, among)
	}
	pod := e.cache.Read(args.Pod)
	if pod.Phase != cache.Pending && pod.Phase != cache.Held {
		return e.settled(pod, among), nil
	}
	return e.verdicts(pod, among), nil
}

// verdicts returns which of the nodes can take a pod, best first, and why the others cannot.
func (e *Extender) verdicts(pod cache.Pod, among []string) *extenderv1.ExtenderFilterResult {
	if err := pod.Task.Err(); err != nil {
		return nowhere(among, "berth: "+err.Error())
	}
	set, snapshot := e.cache.NodeSet(), e.snapshot()
	if why := e.turn(snapshot, pod.Task.Group); why.Code != berth.None {
		e.tell(pod.Object, why.String())
		return nowhere(among, why.String())
	}
	choices := e.among(set, snapshot, pod.Task, among)
	if choices.Reason.Code != berth.None {
		return nowhere(among, choices.Reason.String())
	}
	if choices.Fit == 0 {
		e.unplaced(snapshot, pod)
	}
	fit := make([]string, 0, choices.Len())
	for c := range choices.All() {
		fit = append(fit, c.Node)
	}
	out := &extenderv1.ExtenderFilterResult{NodeNames: &fit}
	e.why(out, pod.Object, choices)
	return out
}

// why tells why nodes cannot take a pod. All but the node that the pod was nominated to are told as unresolvable, whatever keeps the pod
// off: a node is only asked about if kube-scheduler's own plugins have let the pod in, so its preemption would find that nobody has to
// go there, and fail at that again and again. On the nominated node pods are on their way out, and the pod is to wait for them.
func (e *Extender) why(out *extenderv1.ExtenderFilterResult, pod *v1.Pod, choices *placement.Choices) {
	if len(choices.Misfits) == 0 {
		return
	}
	out.FailedAndUnresolvableNodes = make(extenderv1.FailedNodesMap, len(choices.Misfits))
	var t texts
	for i := range choices.Misfits {
		m := &choices.Misfits[i]
		if m.Node == pod.Status.NominatedNodeName && resolvable(m.Lacks) {
			out.FailedNodes = extenderv1.FailedNodesMap{m.Node: t.of(m.Lacks)}
			continue
		}
		out.FailedAndUnresolvableNodes[m.Node] = t.of(m.Lacks)
	}
}

// unplaced notes that a pod has found no room, and tells its users why, over all nodes.
func (e *Extender) unplaced(s *cluster.Snapshot, pod cache.Pod) {
	e.cache.NoRoom(pod.Object.UID)
	if e.config.Client == nil {
		return
	}
	if why := e.explain(s, pod.Task.Group); why != nil {
		e.tell(pod.Object, fmt.Sprintf("0/%d nodes: %v", why.Nodes, why))
	}
}

// explain holds the lock no longer than the engine works, also where a rule panics.
func (e *Extender) explain(s *cluster.Snapshot, g *berth.Group) *berth.Explanation {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.engine.Start(s)
	return e.engine.Explain(g)
}

func resolvable(lacks []berth.Lack) bool {
	for i := range lacks {
		if !lacks[i].Reason.Code.Resolvable() {
			return false
		}
	}
	return true
}

// nowhere is the answer about a pod that no node can take, for a reason that is not the nodes'.
func nowhere(among []string, text string) *extenderv1.ExtenderFilterResult {
	out := &extenderv1.ExtenderFilterResult{NodeNames: &[]string{}, FailedAndUnresolvableNodes: make(extenderv1.FailedNodesMap, len(among))}
	text = short(text, mostReason)
	for _, name := range among {
		out.FailedAndUnresolvableNodes[name] = text
	}
	return out
}

// settled is the answer about a pod that has a node already: that one alone.
func (e *Extender) settled(pod cache.Pod, among []string) *extenderv1.ExtenderFilterResult {
	for _, name := range among {
		if name == pod.Node && pod.Phase != cache.Stopping {
			return &extenderv1.ExtenderFilterResult{NodeNames: &[]string{name}}
		}
	}
	return nowhere(among, "berth: the pod is "+pod.Phase.String()+" on "+pod.Node)
}

// decide chooses the best of the nodes, and holds it for the pod.
func (e *Extender) decide(p *v1.Pod, among []string) (*extenderv1.ExtenderFilterResult, error) {
	var choices *placement.Choices
	if now := e.cache.Read(p); now.Phase == cache.Pending && now.Task.Err() == nil {
		if why := e.turn(e.snapshot(), now.Task.Group); why.Code != berth.None {
			e.tell(p, why.String())
			return nowhere(among, why.String()), nil
		}
	}
	pod, err := e.cache.Hold(p, e.deadline(), func(pod cache.Pod) (berth.Op, error) {
		set, snapshot := e.cache.NodeSet(), e.snapshot()
		if pod.Phase == cache.Held { // asked again: the same answer, as long as it is good
			kept := e.ask(snapshot, pod.Task, placement.Ask{Among: []string{pod.Node}})
			if kept.Fit == 1 && has(among, pod.Node) {
				return berth.Op{Kind: berth.Place, Task: pod.Task, Node: pod.Node, Grant: pod.Grant}, nil
			}
		}
		snapshot = without(snapshot, pod.Task)
		if op, ok := e.best(snapshot, pod.Task); ok && has(among, op.Node) { // the best of all is the best of any
			return op, nil
		}
		if choices = e.among(set, snapshot, pod.Task, among); choices.Len() == 0 {
			return berth.Op{}, errNowhere
		}
		op, ok := e.on(snapshot, pod.Task, choices.At(0).Node)
		if !ok {
			return berth.Op{}, errNowhere
		}
		return op, nil
	})
	switch {
	case err == nil:
		return &extenderv1.ExtenderFilterResult{NodeNames: &[]string{pod.Node}}, nil
	case errors.Is(err, errNowhere) && choices.Reason.Code != berth.None:
		return nowhere(among, choices.Reason.String()), nil
	case errors.Is(err, errNowhere):
		e.unplaced(e.snapshot(), pod)
		out := &extenderv1.ExtenderFilterResult{NodeNames: &[]string{}}
		e.why(out, p, choices)
		return out, nil
	case errors.Is(err, cache.ErrPlaced):
		return e.settled(pod, among), nil
	case errors.Is(err, cache.ErrGone):
		return nil, withStatus(http.StatusConflict, "%v", err)
	}
	var why berth.Reason
	if errors.As(err, &why) { // others were faster, or the State knows more than the question
		return nowhere(among, "berth: "+why.String()), nil
	}
	return nowhere(among, "berth: "+err.Error()), nil
}

var errNowhere = errors.New("no node can take the pod")

func has(among []string, name string) bool {
	for _, n := range among {
		if n == name {
			return true
		}
	}
	return false
}

func (e *Extender) deadline() time.Time { return e.cache.Now().Add(e.config.HoldFor) }

// prioritize says how berth ranks nodes.
func (e *Extender) prioritize(_ *http.Request, args *extenderv1.ExtenderArgs) (extenderv1.HostPriorityList, error) {
	among, err := names(args)
	if err != nil {
		return nil, err
	}
	pod := e.cache.Read(args.Pod)
	if err := pod.Task.Err(); err != nil {
		return nil, withStatus(http.StatusUnprocessableEntity, "%v", err)
	}
	return e.scores(pod.Task, among), nil
}

// scores returns what the nodes are worth, from 0 to 10. It goes by the ranking that filter has just made, as long as nothing has changed
// since that could make it another.
func (e *Extender) scores(t berth.Task, among []string) extenderv1.HostPriorityList {
	snapshot := e.snapshot()
	out := make(extenderv1.HostPriorityList, len(among))
	e.mu.Lock()
	last := e.last
	e.mu.Unlock()
	if last.choices != nil && last.id == t.ID && last.group == t.Group && last.version == snapshot.Version() && ranked(last.choices, among) {
		score(last.choices, e.tiers, func(i int, score int64) { out[i] = extenderv1.HostPriority{Host: among[i], Score: score} })
		return out
	}
	choices := e.ask(snapshot, t, placement.Ask{Among: among})
	of := make(map[string]int64, choices.Len())
	score(choices, e.tiers, func(i int, score int64) { of[choices.At(i).Node] = score })
	for i, name := range among {
		out[i] = extenderv1.HostPriority{Host: name, Score: of[name]} // 0 of those that cannot take the pod
	}
	return out
}

// ranked reports whether nodes are those of an answer, in its order, in which filter has told them and kube-scheduler sends them back.
func ranked(choices *placement.Choices, among []string) bool {
	if choices.Len() != len(among) {
		return false
	}
	for i, name := range among {
		if choices.At(i).Node != name {
			return false
		}
	}
	return true
}

// score maps ranks to the scores of the protocol, 10 for the first and 0 for the last: 10 less ten times the part that the logarithm of
// the rank is of the logarithm of the number of nodes. So the first few of thousands differ as those of a few do, which is
// where the choice is made. Nodes that are equally good have the score of the first of them. Scores of a strategy, taken as they are, would
// be lost in rounding: on a large cluster a pod changes a node by less than a tenth.
func score(choices *placement.Choices, tiers int, tell func(i int, score int64)) {
	whole, now := log2(choices.Len()), int64(0)
	var before placement.Choice
	for i := range choices.Len() {
		c := choices.At(i)
		if i == 0 || !equal(before, c, tiers) {
			now = extenderv1.MaxExtenderPriority
			if whole > 0 {
				now -= int64((log2(i+1)*10 + whole/2) / whole)
			}
		}
		before = c
		tell(i, now)
	}
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
