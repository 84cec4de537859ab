package berth

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Mode says how many tasks of a group are wanted, and together or not.
type Mode uint8

const (
	// Count is a number of tasks, each placed or not by itself. It is the default.
	Count Mode = iota
	// Gang is all or nothing: unless at least GangSize tasks of the group can be placed, counting
	// those already placed, none is.
	Gang
	// Daemon is one task on every eligible node, those that join later included.
	Daemon
)

// String returns "count", "gang" or "daemon".
func (m Mode) String() string {
	switch m {
	case Count:
		return "count"
	case Gang:
		return "gang"
	case Daemon:
		return "daemon"
	}
	return "mode " + strconv.Itoa(int(m))
}

// GroupSpec describes what the tasks of a group have in common.
type GroupSpec struct {
	// Role is the tenant that is charged. The default is the root role.
	Role Role
	// Priority orders groups: higher first. Equal priorities keep the order they were handed in, unless a
	// scheduler has an order of roles.
	Priority int
	// Mode is Count, Gang or Daemon.
	Mode Mode
	// GangSize is the least number of tasks a Gang runs with.
	GangSize int
	// Labels are what a [Selector] knows the group by, besides its role and its name: the service, the version, the tier.
	// Keys are names; values are any text without control characters, the empty one included. Berth reads nothing into them.
	Labels map[string]string
	// Request is what each task takes. Nothing is a valid request.
	Request Resources
	// Devices are the devices each task takes, each request of devices of its own: two requests of a class are never served by
	// one device. There are at most [MaxDeviceRequests] for a class.
	Devices []DeviceRequest
	// Ports are ports each task needs by number, all of them, out of those of [Node.Ports]: for a protocol or for all, at an address or
	// at all. Tasks of one node have ports that do not meet, as [Port] says.
	Ports []PortRange
	// DynamicPorts is how many more ports each task needs, whichever are free for all protocols and at all addresses.
	DynamicPorts int
	// Rules are the hard constraints; all must hold. Package constraints has the constructors.
	Rules []Constraint
	// Prefer are soft constraints. The sum of the weights of those that hold decides before the strategy's score does,
	// so that packing never drowns a preference, unless the strategy gives preferences another place.
	Prefer []Preference
}

// Group is what tasks of one kind share: who pays, what each takes, where they may go. It is immutable,
// so what berth derives of it is derived once. A source knows a group by its name: groups of one name and of other
// specs are revisions of one another, whose tasks are counted together (see Revisions in the package comment).
type Group struct {
	// What is read for every task comes first, and stands side by side in req and spec too: most of a group that is met for the first
	// time is then two lines of memory.
	name string
	err  error
	req  Requirements
	spec GroupSpec

	// The fingerprint of the spec, made when a group is first compared with another: most, of lone tasks, never are.
	fingerprint func() string
}

// NewGroup returns a group. A group with faults is never scheduled: every entry point that is handed
// one of its tasks returns its Err, and so can the caller at once.
func NewGroup(name string, spec GroupSpec) *Group {
	g := &Group{name: name, spec: spec.clone()}
	if g.err = g.check(); g.err == nil {
		g.req.compile(g)
		g.fingerprint = sync.OnceValue(func() string { return fmt.Sprintf("%q %s", g.name, g.spec.fingerprint()) })
	}
	return g
}

// NewTask returns a lone task: one whose group has the same name and no other task.
func NewTask(id string, spec GroupSpec) Task {
	return NewGroup(id, spec).Task(id)
}

// given returns g, or the zero Group for none: both are at fault, and reading either is no panic.
func (g *Group) given() *Group {
	if g == nil {
		return &noGroup
	}
	return g
}

var noGroup Group // which nobody writes

// Name returns the group's name.
func (g *Group) Name() string { return g.given().name }

// Spec returns a copy of what the group was made of.
func (g *Group) Spec() GroupSpec { return g.given().spec.clone() }

func (s GroupSpec) clone() GroupSpec {
	s.Labels = maps.Clone(s.Labels)
	s.Request = s.Request.Clone()
	s.Devices = slices.Clone(s.Devices)
	for i := range s.Devices {
		s.Devices[i] = s.Devices[i].clone()
	}
	s.Ports = slices.Clone(s.Ports)
	s.Rules = slices.Clone(s.Rules)
	s.Prefer = slices.Clone(s.Prefer)
	return s
}

// Role returns the role that is charged for the group's tasks.
func (g *Group) Role() Role { return g.given().spec.Role }

// Label returns the value of one of the group's labels, and whether the group has it.
func (g *Group) Label(key string) (string, bool) {
	v, ok := g.given().spec.Labels[key]
	return v, ok
}

// Labels returns a copy of the group's labels.
func (g *Group) Labels() map[string]string { return maps.Clone(g.given().spec.Labels) }

// Mode returns how many tasks are wanted.
func (g *Group) Mode() Mode { return g.given().spec.Mode }

// GangSize returns the least number of tasks a gang runs with.
func (g *Group) GangSize() int { return g.given().spec.GangSize }

// Priority returns the group's priority.
func (g *Group) Priority() int { return g.given().spec.Priority }

// Equal reports whether two groups have the same name and equal specs. A group with faults equals only
// itself.
func (g *Group) Equal(o *Group) bool {
	return g == o || g.Err() == nil && o.Err() == nil && g.name == o.name && g.fingerprint() == o.fingerprint()
}

// Fingerprint returns a text that is equal for groups that equal each other and for no others, such as to find a revision by; the
// empty one for a group with faults. It is made when it is first asked for.
func (g *Group) Fingerprint() string {
	if g.Err() != nil {
		return ""
	}
	return g.fingerprint()
}

// Task returns the task of that ID.
func (g *Group) Task(id string) Task { return Task{ID: id, Group: g} }

// Tasks returns n tasks with the IDs name-1 to name-n; none if n is not positive.
func (g *Group) Tasks(n int) []Task {
	tasks := make([]Task, 0, min(max(n, 0), 1<<20)) // a number beyond reason is no panic of make's
	for i := range n {
		tasks = append(tasks, g.Task(g.given().name+"-"+strconv.Itoa(i+1)))
	}
	return tasks
}

// Everywhere returns the demand of a daemon group, to be scheduled like a task: its instance on each
// eligible node that has none. An instance's ID is that of [Group.On]. Of a group that is no daemon it returns a task without an ID, which
// is refused.
func (g *Group) Everywhere() Task { return Task{Group: g} }

// On returns the instance of a daemon group on a node. Its ID is "name@node", which no other task of any group can have:
// there is no '@' in the names of daemon groups, nor in the IDs of other tasks. There may be one in a node's.
func (g *Group) On(node string) Task { return g.Task(g.given().name + instanceOf + node) }

// instanceOf stands in the ID of a daemon's instance between the group and the node.
const instanceOf = "@"

// Cost returns what one task of the group takes of every resource, devices and all, as shares, quota
// and scores count it; nothing for a group with faults. Devices count as units of their class, and amounts that are asked
// for by name as [DeviceResource] names them.
func (g *Group) Cost() Resources {
	r := Resources{}
	for _, n := range g.Requirements().Needs {
		r[n.Name] = n.Amount
	}
	return r
}

// Requirements returns what the group's spec comes to. It must not be changed; that of a group with faults is empty.
func (g *Group) Requirements() *Requirements { return &g.given().req }

// String returns the group's name.
func (g *Group) String() string { return g.given().name }

// Err returns every fault of the group joined into one error, or nil. A Group that [NewGroup] did not
// make is at fault.
func (g *Group) Err() error {
	if g == nil || g.err == nil && g.name == "" {
		return g.notMade()
	}
	return g.err
}

// notMade is the fault of a group that NewGroup did not make. It is a function of its own because Err is in line wherever it is asked.
func (g *Group) notMade() error {
	if g == nil {
		return errors.New("group: none given")
	}
	return errors.New("group: not made by NewGroup")
}

func (g *Group) check() error {
	var errs []error
	add := func(err error) { errs = appendFaults(errs, fmt.Sprintf("group %q", g.name), err) }
	if err := checkName("group", g.name); err != nil {
		errs = append(errs, err)
	}
	s := &g.spec
	if s.Mode == Daemon && strings.Contains(g.name, instanceOf) {
		add(errors.New("the name of a daemon group has no '@', for its instances are named group@node"))
	}
	add(s.Role.Err())
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		add(checkName("label", key))
		add(checkLabelValue(key, s.Labels[key]))
	}
	add(s.Request.Err())
	for _, err := range requestFaults(s.Devices, s.Request) {
		add(err)
	}
	add(checkPorts(s.Ports))
	switch {
	case s.DynamicPorts < 0:
		add(fmt.Errorf("dynamic ports: %w: %d", ErrNegative, s.DynamicPorts))
	case s.DynamicPorts > math.MaxUint16:
		add(fmt.Errorf("dynamic ports: %d are more than the %d of any node", s.DynamicPorts, math.MaxUint16))
	}
	for _, r := range s.Rules {
		add(checkRule(r))
	}
	for _, p := range s.Prefer {
		add(checkRule(p.Rule))
		if p.Weight == 0 || p.Weight > MaxWeight || p.Weight < -MaxWeight {
			add(fmt.Errorf("preference %v: weight %d is not within 1 to %d or -%d to -1", p.Rule, p.Weight, MaxWeight, MaxWeight))
		}
		switch p.Rule.(type) {
		case nil, NodeRule, DomainRule:
		default:
			add(fmt.Errorf("preference %v: only rules about a node's attributes or about the tasks in domains can be preferred", p.Rule))
		}
	}
	switch {
	case s.Mode > Daemon:
		add(fmt.Errorf("unknown %v", s.Mode))
	case s.Mode == Gang && s.GangSize < 1:
		add(fmt.Errorf("gang size %d is less than 1", s.GangSize))
	case s.Mode != Gang && s.GangSize != 0:
		add(fmt.Errorf("gang size %d is set, but the mode is %v", s.GangSize, s.Mode))
	}
	return errors.Join(errs...)
}

// fingerprint is equal for equal specs and for no others: every text is quoted, so that two cannot read
// as one, and quantities are exact, where String rounds them for people.
func (s *GroupSpec) fingerprint() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %d %d %d %d", string(s.Role), s.Priority, s.Mode, s.GangSize, s.DynamicPorts)
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		fmt.Fprintf(&b, " label %q %q", key, s.Labels[key])
	}
	for name, q := range s.Request.All() {
		fmt.Fprintf(&b, " %q:%d", name, q)
	}
	for _, d := range s.Devices {
		fmt.Fprintf(&b, " device %q %d %d %q", d.Class, d.Count, d.Share, d.Models)
		for name, q := range d.Amounts.All() {
			fmt.Fprintf(&b, " of %q:%d", name, q)
		}
		for _, model := range slices.Sorted(maps.Keys(d.Prefer)) {
			fmt.Fprintf(&b, " rather %d:%q", d.Prefer[model], model)
		}
	}
	fmt.Fprintf(&b, " %v %q", s.Ports, texts(s.Rules))
	for _, p := range s.Prefer {
		fmt.Fprintf(&b, " %d:%q", p.Weight, p.Rule.String())
	}
	return b.String()
}

func texts[C Constraint](rules []C) []string {
	out := make([]string, len(rules))
	for i, r := range rules {
		out[i] = r.String()
	}
	return out
}

// Task is one thing to run: an ID, unique in its source, and the group it belongs to.
type Task struct {
	ID    string
	Group *Group
}

// String returns the task's ID; that of a daemon group's demand, which has none, is "agent on every node".
func (t Task) String() string {
	if t.IsDemand() {
		return t.Group.Name() + " on every node"
	}
	return t.ID
}

// IsDemand reports whether t is the demand of a daemon group, as [Group.Everywhere] returns it, and no task that can be on a
// node.
func (t Task) IsDemand() bool { return t.ID == "" && t.Group.Mode() == Daemon }

// Err returns every fault of the task joined into one error, or nil. Only the demand of a daemon group may be without an ID,
// and only the instance of one, as [Group.On] returns it, may have an '@' in it.
func (t Task) Err() error {
	if err := t.Group.Err(); err != nil {
		return fmt.Errorf("task %q: %w", t.ID, err)
	}
	if t.IsDemand() {
		return nil
	}
	if t.ID == "" { // as what Everywhere returns, of a group that is no daemon
		return fmt.Errorf("task of group %q: empty name", t.Group.name)
	}
	err := checkName("task", t.ID)
	if strings.IndexByte(t.ID, instanceOf[0]) < 0 {
		return err
	}
	if group, node, _ := strings.Cut(t.ID, instanceOf); t.Group.spec.Mode != Daemon || group != t.Group.name || node == "" {
		err = errors.Join(err, fmt.Errorf("task %q of group %q: an '@' is for the instances of daemon groups, group@node", t.ID, t.Group.name))
	}
	return err
}
