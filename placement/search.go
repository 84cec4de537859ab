package placement

import (
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// search finds the best row for one task of a group after another. It keeps what it has found out for as long as no
// other group is searched for: nothing before the position where a class's search stands can be used, for room only
// shrinks while a plan is made. What can make room, which is Undo and Start, ends it.
type search struct {
	policy   *policy
	mirror   *mirror
	classes  *classIndex
	counts   *groupCounts
	rankings *rankings
	scan     *scan
	tasks    *taskCounts
	limits   *limits
	clusters *clusters

	target              // the group
	demand              // of the group
	inside  domain      // to which it is confined; the zero value if it is not
	ofClass []countRule // about attributes that all nodes of a class share
	ofRow   []countRule // about others, and even ones about hosts: they are asked row by row

	soft     []softRule  // about domains
	split    splitting   // by those of them that are asked row by row
	passing  passing     // by rows that rules about the tasks of others, asked row by row, make of no use
	atOnce   int         // rows are listed before any search if they are no more than so many times the square root of all
	compared []tierNow   // the tiers in which contenders may differ
	keyed    int         // of these, the one with the additive terms
	notes    bool        // whether contenders' sums in the first of them are kept
	brief    bool        // whether nothing after the keys tells contenders apart, and before them only the first sum: see better
	level    bool        // whether those between the first and that of the keys tell contenders apart only if one is occupied
	asked    []resources // the additive terms,
	named    []string    // for these dimensions
	scales   []scale     // the formulas,
	scaled   []string    // for these dimensions
	aims     []aim       // of the terms of Targets
	kept     keptContenders

	plain     bool       // whether nothing but the orders of classes matters: see beginPlain
	onlyKeyed bool       // whether a plain search compares nothing but keys
	again     *contender // of a plain search: the one that the last task went to, if its row is still the best of all

	contenders []contender // ascending by class: those that the group may use
	slots      []int32     // of each contender: its slots in the domains of the strategy, of ofClass, and of soft
	fixed      []int64     // of each contender, by tier: what all its rows have alike as long as the search lasts
	rivals     [2][]int64  // sums of the best so far, and of another; kept for their room
	games      games       // among contenders, if they are many

	overLimit   bool     // whether the last walk of a tree met a row that an even rule holds off
	overLimitAt position // where the first of them stands
}

// target is the group that is searched for, as begin finds it.
type target struct {
	group    *berth.Group // nil if there is none that anything is kept of
	served   []served     // by class and request, what its devices come to; nil where no models are asked for
	own      *counts      // of the group's tasks; nil if nobody asks for them
	counted  *counts      // to be kept up: own, or where nobody asks for this spec of the group, those for another
	byRow    bool         // whether the group's rules read attributes of high cardinality, so that they are asked row by row
	picky    bool         // whether a row that has the amounts may still be refused
	every    bool         // whether every row is rated, because no order of a class serves
	alike    bool         // whether rows of one state are rated alike
	mixed    bool         // whether rows that have tasks of the group are rated one by one, beside what searches find
	last     bool         // whether those of a class come after its others, as the policy has it
	ranked   bool         // whether a ranking of them is kept, so that not every row is rated again
	direct   bool         // whether that is of one tier, by row
	even     bool         // whether rules compare domains
	meets    bool         // whether the tasks of other groups matter
	first    bool         // whether what rules say is otherwise once a task of the group is placed
	filling  bool         // whether it is once there are tasks in so many domains
	astray   bool         // whether tasks were placed on nodes that it did not find, so that it must begin anew to find any
	wayKnown bool
	way      int            // in which the row found last gives devices, if that is known
	moved    []*taskCounter // in which the group's tasks count
	verdict  *verdict       // of the group's rules; of no use if they are asked row by row
	left     int64          // how many more of the group's tasks the limits of roles let be

	hostLimit int // how many of the group's tasks a node may have

	places []int32 // as findPlaces has them, if they are kept
}

// countRule is a domain rule, and where the tasks are counted that it asks for.
type countRule struct {
	rule      berth.DomainRule // nil where it is whether there are such tasks that matters
	domain    *domainCounts    // nil for hosts
	slots     []int32          // by row, of rules that are asked row by row
	histogram *histogram       // nil unless the rule is even
	limit     int              // how many tasks a domain must have for no more to go there; for even rules, at the moment
	limits    []int            // by slot, of rules whose limit goes by the value of the domain; nil for others
	byValue   bool
	place     int // in the order in which what is lacking is told: that of the group's rules, its own first, then those of who refuses it
	fills     int // how many domains must have tasks for only those to take more, of a rule of which fewer have; else 0

	// Of rules about the tasks of others.
	attribute string
	counter   *taskCounter
	told      berth.Reason // what is said of a domain that takes no more
	over      fit.Population
	notOwn    bool // the group's own tasks are not among those that are counted
	near      bool // a domain must have some
	lenient   bool // rows that have no value of the attribute are let in
}

// begin makes it the search for tasks of a group, and beginWithin for those that are to be in a domain.
func (s *search) begin(g *berth.Group) { s.beginWithin(g, nil) }

func (s *search) beginWithin(g *berth.Group, in *domain) {
	r := g.Requirements()
	if in == nil && s.isPlain(r) {
		s.beginPlain(g, r)
		return
	}
	s.plain, s.again = false, nil
	met, first := s.tasks.rulesOf(g)
	s.listSoft(g)
	for i := range met {
		s.classes.tellApart(met[i].attribute)
	}
	if s.inside = (domain{}); in != nil {
		s.inside = *in
		met = append(met, s.tasks.confine(*in))
		s.classes.tellApart(in.attribute)
	}
	s.classes.tellApart(r.Reads...)
	for i := range s.soft {
		s.classes.tellApart(s.soft[i].attribute)
	}
	for _, rule := range r.DomainRules {
		s.classes.tellApart(rule.Domain())
	}
	s.classes.assign()
	s.target = target{
		group: g, left: s.limits.allowance(g), meets: len(met) > 0, first: first, filling: fills(met), moved: s.tasks.of(g),
		every: !s.policy.ordered, mixed: s.policy.byNode && !s.policy.nodesLast, hostLimit: math.MaxInt,
	}
	s.demand.of(g, s.mirror)
	s.ofClass, s.ofRow = s.ofClass[:0], s.ofRow[:0]
	s.split.forget()
	s.passing.forget(g)
	s.contenders, s.slots, s.fixed = s.contenders[:0], s.slots[:0], s.fixed[:0]
	s.games.on, s.notes, s.brief, s.keyed, s.overLimit = false, false, false, 0, false
	s.byRow = r.ReadsAll
	for _, name := range r.Reads {
		s.byRow = s.byRow || name == berth.NodeID || !s.classes.isLow(name)
	}
	if g.Mode() == berth.Daemon {
		s.hostLimit = 1
	}
	if s.counts.needed(g) {
		s.own = s.counts.of(g)
		s.counted = s.own
	} else if len(s.counts.groups) > 0 {
		s.counted = s.counts.groups[g.Name()]
	}
	for i, rule := range r.DomainRules {
		s.addRule(rule, i)
	}
	for i, rule := range met {
		rule.place = len(r.DomainRules) + i
		s.addTaskRule(rule)
	}
	for _, key := range s.counts.keys {
		s.every = s.every || !s.classes.isLowKey(key)
	}
	lows := true
	for _, name := range s.policy.reads {
		lows = lows && name != berth.NodeID && s.classes.isLow(name)
	}
	s.every = s.every || !lows || s.policy.models && s.prefersModels()
	s.takeAims()
	s.addSoft()
	s.every = s.every || s.byRow && len(r.Prefer) > 0
	s.decideSplit()
	s.last = s.policy.nodesLast && !s.mixed && !s.split.on
	s.mixed = s.mixed || s.policy.byNode && !s.last
	if s.every || s.split.on {
		s.knowRows()
	}
	s.ranked = s.every && s.policy.static && s.own == nil && !s.meets && len(s.soft) == 0 && !s.ports && !s.policy.early
	s.alike = !s.byRow && lows
	s.picky = s.byRow || s.ports || len(s.devices) > 0 || len(s.ofRow) > 0 || s.hostLimit < math.MaxInt || s.last || s.mixed || s.split.on
	if s.possible {
		s.bind()
		s.direct = s.ranked && s.alike && s.policy.direct
		s.enter(r.Eligibility)
		s.direct = s.direct && s.agree(s.policy.directTier)
		s.takeHistograms()
		s.setLimits()
		if s.split.on {
			s.passing.on = true
			s.splitClasses()
		}
		if !s.every {
			s.setTiers()
		}
		s.listNear()
	}
}

// end forgets what is kept of the group.
func (s *search) end() { s.group = nil }

// addRule makes a rule about the group's own tasks, the ith, one of the search.
func (s *search) addRule(rule berth.DomainRule, i int) {
	name := rule.Domain()
	switch {
	case name == berth.NodeID && rule.Counts().Even:
		s.ofRow = append(s.ofRow, countRule{rule: rule, place: i})
		return
	case name == berth.NodeID:
		s.hostLimit = min(s.hostLimit, rule.Limit(berth.Domains{}))
		return
	}
	r := countRule{rule: rule, place: i, domain: s.counts.domain(s.own, s.mirror.attrs.ID(name))}
	if !rule.Counts().Even {
		r.limit = rule.Limit(berth.Domains{})
	}
	if s.classes.isLow(name) {
		s.ofClass = append(s.ofClass, r)
	} else {
		r.slots = s.counts.slotsByRow(r.domain.values, r.domain.key)
		s.ofRow = append(s.ofRow, r)
	}
}

// enter finds the classes that the group may use.
func (s *search) enter(rules string) {
	counted := len(s.counts.keys)+len(s.ofClass)+len(s.soft) > 0
	keeps := s.every && !s.direct && !s.byRow && !counted
	if keeps && s.enterKept() {
		return
	}
	s.verdict = s.classes.verdictOf(rules)
	s.served = s.classes.servedBy(s.group.Requirements())
	s.counts.layoutOfClasses()
	for i := range s.counts.keys {
		s.own.domains[i].grow()
	}
	for i, k := range s.classes.all {
		if k.members == 0 {
			continue
		}
		var preferred int64
		if s.byRow {
			// What attributes of high cardinality say is asked row by row, and the rest of Eligible with it.
			if k.cordoned || k.node.Unschedulable {
				continue
			}
			preferred = fit.Preferred(s.group, k.node) // of taints only, or else every row is rated
		} else {
			var ok bool
			if ok, preferred = s.verdict.ask(i, s.group, k); !ok {
				continue
			}
		}
		slots := len(s.slots)
		if counted && !s.slotsOf(i) {
			s.slots = s.slots[:slots]
			continue
		}
		s.contenders = append(s.contenders, contender{class: int32(i), slots: int32(slots), from: treeStart, preferred: preferred})
		c := &s.contenders[len(s.contenders)-1]
		if !s.every || s.direct {
			c.sums = int32(len(s.fixed))
			s.fixed = s.addFixed(s.fixed, k, preferred)
			c.least = leastPart(s.request, k.capacity)
		}
		if s.neverServes(c.class) { // it stays a contender: the domains of its nodes count
			c.from = treeEnd
		}
	}
	if keeps {
		s.keepContenders()
	}
}

// leastPart returns the least part that a request takes of the resources of a node; nothing if there is one that it
// does not take of.
func leastPart(request, capacity []int64) int64 {
	least := int64(Resolution)
	for d, c := range capacity {
		if c > 0 {
			least = min(least, fraction(request[d], c))
		}
	}
	return least
}

// slotsOf appends a class's slots in the domains that are counted; false means that it has none in those of a rule.
func (s *search) slotsOf(class int) bool {
	n := len(s.counts.keys)
	s.slots = append(s.slots, s.counts.layout.slots[class*n:(class+1)*n]...)
	for i := range s.ofClass {
		d := s.ofClass[i].domain
		v, ok := s.classes.all[class].attr(d.key)
		switch {
		case ok:
			s.slots = append(s.slots, d.slot(v))
		case s.ofClass[i].lenient:
			s.slots = append(s.slots, -1)
		default:
			return false
		}
	}
	for i := range s.soft {
		slot := int32(-1)
		if d := s.soft[i].domain; d != nil {
			if v, ok := s.classes.all[class].attr(d.key); ok {
				slot = d.slot(v)
			}
		}
		s.slots = append(s.slots, slot)
	}
	return true
}

// accepts says of a row that has the amounts by what its tree knows whether the group may be placed there now. For a
// strategy that counts tasks by node, rows that have some come later. It notes the first row that an even rule holds
// off.
func (s *search) accepts(row uint32) bool {
	if s.passing.on && s.passesBy(row) { // asked first, for it is true of most rows, and less memory is read for it
		s.passing.passed++
		return false
	}
	if !s.within(s.mirror.free[int(row)*s.mirror.width:]) {
		return false
	}
	return !s.picky || s.acceptsPicky(row)
}

func (s *search) acceptsPicky(row uint32) bool {
	if (s.last || s.mixed) && s.counts.on(row) > 0 || !s.usable(row) {
		return false
	}
	if s.even && s.isOverLimit(row) {
		if !s.overLimit {
			s.overLimitAt, s.overLimit = s.classes.positionOf(row), true
		}
		return false
	}
	return true
}

// fits reports whether a row has the amounts.
func (s *search) fits(row uint32) bool { return s.within(s.mirror.free[int(row)*s.mirror.width:]) }

// usable says of a row of a class that may be used whether the group may be placed there, amounts and even rules aside.
// What it refuses stays refused for as long as tasks are only placed. It changes nothing, so that many goroutines may
// ask.
func (s *search) usable(row uint32) bool {
	n := s.mirror.rows[row].node
	if s.own != nil && s.counts.on(row) >= s.hostLimit {
		return false
	}
	if s.byRow && !fit.Eligible(s.group, n.Spec) {
		return false
	}
	for i := range s.ofRow {
		r := &s.ofRow[i]
		if r.domain != nil && r.slots[row] < 0 {
			if r.lenient {
				continue
			}
			return false
		}
		if r.histogram == nil && s.closedAt(r, row) {
			return false
		}
	}
	return s.servesDevices(row) && (!s.ports || fit.HasPorts(s.group.Requirements(), n.Spec, s.mirror.portsOf(row)))
}

// eligible reports whether the group may use a row, room and domains aside.
func (s *search) eligible(row uint32) bool {
	st := &s.mirror.rows[row]
	return !st.cordoned && fit.Eligible(s.group, st.node.Spec)
}

// full reports whether a domain of a contender can take no more tasks of the group.
func (s *search) full(c *contender) bool {
	for i := range s.ofClass {
		r := &s.ofClass[i]
		if slot := s.slots[int(c.slots)+len(s.counts.keys)+i]; slot >= 0 && r.closedAt(slot) {
			return true
		}
	}
	return false
}

// best finds the best row for a task of the group. The contender that it is of is nil where every row was rated.
func (s *search) best(t berth.Task) (row uint32, from *contender, found bool) {
	if !s.possible {
		return 0, nil, false
	}
	if s.even {
		s.setLimits()
	}
	switch {
	case s.ranked:
		row, s.way, s.wayKnown, found = s.rankings.best(s, t)
		return row, nil, found
	case s.policy.strategy.sample > 0:
		row, found = s.bestOfSample(t)
		return row, nil, found
	case s.every:
		row, found = s.rateAll(t)
		return row, nil, found
	}
	if s.mixed {
		return s.bestMixed()
	}
	if from = s.again; from != nil {
		return from.row, from, true
	}
	if from = s.bestContender(); from == nil {
		return 0, nil, false
	}
	return from.row, from, true
}
