package allocator_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/internal/mesos"
	"github.com/berth-sched/berth/internal/script"
)

// The scripts in testdata/mesos are scenarios of Apache Mesos' sorter and allocator tests, those in testdata/golden the examples of the
// papers on fair shares. Each runs in the order of Mesos and in those of this package at once. What they say alike is written once; where
// they differ, each says its own, and the script has named the kind of the difference before.
//
//	then                  does the steps below it, a line each, and gives the order after them
//	    pool R...           there is so much of cpu and memory, or by name; "grow" and "shrink" change it
//	    exclude NAME...     begins anew, with resources that count in nobody's share
//	    add, remove, off, on CLIENT
//	    charge CLIENT R...
//	    credit CLIENT R...
//	    weight ROLE W
//	share ROLE...         the dominant shares of roles, over their weights
//	fill [scale=K]        progressive filling: task after task for the client of lowest share whose next task fits; with a scale
//	                      each task is cut in so many parts. Below it are the clients, each with its task and how many it wants.
//	rival RULE [scale=K]  the same filling by a rule of the papers that this package has not, to compare with: asset, where all are to have the same sum of
//	                      parts of all resources, or ceei, where all are to have bought for the same sum at the prices of a competitive
//	                      equilibrium from equal incomes. Those prices are told.
//	deviates KIND         differences are of this kind from here on
//
// Amounts may have three digits behind the point.
func TestInteractions(t *testing.T) {
	script.RunAll(t, "testdata/*/*.txt", func(t *testing.T) func(*testing.T, script.Command) string {
		s := &stage{}
		s.begin(t)
		t.Cleanup(func() { require.True(t, s.differed || s.deviates == "", "it deviates nowhere") })
		return s.do
	})
}

// column is an account with an order.
type column interface {
	SetCapacity(res) error
	SetWeight(berth.Role, allocator.Weight) error
	Add(allocator.Client) error
	Remove(allocator.Client) error
	Activate(allocator.Client) error
	Deactivate(allocator.Client) error
	Charge(allocator.Client, res) error
	Credit(allocator.Client, res) error
	Order() []allocator.Client
}

type stage struct {
	names    []string
	columns  []column
	pool     res
	deviates string
	differed bool
}

func (s *stage) begin(t *testing.T, exclude ...string) {
	q, err := allocator.NewQueue(allocator.Tree{Exclude: exclude})
	require.NoError(t, err)
	s.names = []string{"mesos", "drf", "queue"}
	s.columns = []column{mesosColumn{mesos.NewClients(exclude...)}, drfColumn{newDRF(t, allocator.Config{Exclude: exclude})}, queueColumn{q}}
	s.pool = res{}
}

func (s *stage) do(t *testing.T, cmd script.Command) string {
	switch cmd.Name {
	case "then":
		for line := range strings.Lines(cmd.Input) {
			s.step(t, cmd.Pos, strings.Fields(line))
		}
		return s.each(t, cmd, func(c column) string { return printed(c.Order()) })
	case "share":
		return s.each(t, cmd, func(c column) string {
			var out []string
			for _, r := range cmd.Positional() {
				out = append(out, fmt.Sprintf("%s %.4g", r, shareOf(c, berth.Role(r))))
			}
			return strings.Join(out, ", ")
		})
	case "fill":
		scale := int64(1)
		if v := cmd.Value("scale"); v != "" {
			var err error
			scale, err = strconv.ParseInt(v, 10, 64)
			require.NoError(t, err, cmd.Pos)
		}
		return s.each(t, cmd, func(c column) string { return s.fill(t, cmd, c, scale) })
	case "rival":
		scale := int64(200)
		if v := cmd.Value("scale"); v != "" {
			var err error
			scale, err = strconv.ParseInt(v, 10, 64)
			require.NoError(t, err, cmd.Pos)
		}
		c := &bought{price: map[string]float64{}, spent: map[allocator.Client]float64{}}
		told := ""
		switch rule := cmd.Positional()[0]; rule {
		case "asset":
			for name, q := range s.pool {
				c.price[name] = 1 / float64(q)
			}
		case "ceei":
			c.price, told = s.prices(t, cmd)
		default:
			require.Fail(t, "unknown rule", "%s: %s", cmd.Pos, rule)
		}
		return told + s.fill(t, cmd, c, scale)
	case "deviates":
		s.deviates, s.differed = cmd.Positional()[0], false
		return "ok"
	}
	require.Fail(t, "unknown command", "%s: %s", cmd.Pos, cmd.Name)
	return ""
}

// each asks all columns, and groups those that say the same.
func (s *stage) each(t *testing.T, cmd script.Command, ask func(column) string) string {
	var said []string
	who := map[string][]string{}
	for i, c := range s.columns {
		say := ask(c)
		if who[say] == nil {
			said = append(said, say)
		}
		who[say] = append(who[say], s.names[i])
	}
	if len(said) == 1 {
		return said[0]
	}
	s.differed = true
	require.NotEmpty(t, s.deviates, "%s: %q, which no kind of deviation is named for", cmd.Pos, said)
	var b strings.Builder
	for _, say := range said {
		fmt.Fprintf(&b, "%s: %s\n", strings.Join(who[say], " and "), say)
	}
	return b.String()
}

func printed(order []allocator.Client) string {
	var out []string
	for _, c := range order {
		out = append(out, c.String())
	}
	if len(out) == 0 {
		return "nobody"
	}
	return strings.Join(out, " ")
}

// amountsOf reads "2 1024" as cpu and memory, or "cpu=2 gpu=1", in thousandths.
func amountsOf(t *testing.T, pos string, words []string) res {
	r := res{}
	for i, w := range words {
		name, v, named := strings.Cut(w, "=")
		if !named {
			require.Less(t, i, 2, pos)
			name, v = []string{"cpu", "memory"}[i], w
		}
		x, err := strconv.ParseFloat(v, 64)
		require.NoError(t, err, pos)
		r[name] = int64(x*1000 + 0.5)
	}
	return r
}

func (s *stage) step(t *testing.T, pos string, f []string) {
	all := func(do func(column) error) {
		t.Helper()
		for _, c := range s.columns {
			require.NoError(t, do(c), "%s: %v", pos, f)
		}
	}
	switch f[0] {
	case "exclude":
		s.begin(t, f[1:]...)
	case "pool", "grow", "shrink":
		r := amountsOf(t, pos, f[1:])
		for name, q := range r {
			switch f[0] {
			case "grow":
				r[name] = s.pool[name] + q
			case "shrink":
				r[name] = s.pool[name] - q
			}
		}
		s.pool = r
		all(func(c column) error { return c.SetCapacity(r) })
	case "add":
		all(func(c column) error { return c.Add(client(f[1])) })
	case "remove":
		all(func(c column) error { return c.Remove(client(f[1])) })
	case "off":
		all(func(c column) error { return c.Deactivate(client(f[1])) })
	case "on":
		all(func(c column) error { return c.Activate(client(f[1])) })
	case "charge":
		all(func(c column) error { return c.Charge(client(f[1]), amountsOf(t, pos, f[2:])) })
	case "credit":
		all(func(c column) error { return c.Credit(client(f[1]), amountsOf(t, pos, f[2:])) })
	case "weight":
		w, err := strconv.ParseFloat(f[2], 64)
		require.NoError(t, err, pos)
		all(func(c column) error { return c.SetWeight(berth.Role(f[1]), allocator.Weight(w*1000+0.5)) })
	default:
		require.Fail(t, "unknown step", "%s: %v", pos, f)
	}
}

// fill grants task after task, and tells the turns where they are few and what each has in the end.
func (s *stage) fill(t *testing.T, cmd script.Command, c column, scale int64) string {
	type wish struct {
		task  res
		most  int64
		tasks int64
	}
	wishes := map[allocator.Client]*wish{}
	var names []string
	free := res{}
	for name, q := range s.pool {
		free[name] = q * scale
	}
	require.NoError(t, c.SetCapacity(free))
	for line := range strings.Lines(cmd.Input) {
		f := strings.Fields(line)
		w := &wish{}
		if v, ok := strings.CutPrefix(f[len(f)-1], "most="); ok {
			n, err := strconv.ParseInt(v, 10, 64)
			require.NoError(t, err, cmd.Pos)
			w.most, f = n*scale, f[:len(f)-1]
		}
		w.task = amountsOf(t, cmd.Pos, f[1:])
		wishes[client(f[0])] = w
		names = append(names, f[0])
		require.NoError(t, c.Add(client(f[0])))
	}
	var turns []string
	for {
		var next *wish
		for _, who := range c.Order() {
			if w := wishes[who]; w != nil && free.Covers(w.task) && (w.most == 0 || w.tasks < w.most) {
				next = w
				turns = append(turns, who.String())
				require.NoError(t, c.Charge(who, w.task))
				break
			}
		}
		if next == nil {
			break
		}
		next.tasks++
		for name, q := range next.task {
			free[name] -= q
		}
	}
	var b strings.Builder
	if len(turns) <= 40 {
		fmt.Fprintf(&b, "turns %s\n", strings.Join(turns, " "))
	}
	for _, name := range names {
		w := wishes[client(name)]
		fmt.Fprintf(&b, "%s: %.2f tasks\n", name, float64(w.tasks)/float64(scale))
		require.NoError(t, c.Remove(client(name))) // so that a script can fill anew
	}
	return b.String()
}

func shareOf(c column, r berth.Role) float64 {
	switch c := c.(type) {
	case mesosColumn:
		return c.Share(string(r))
	case drfColumn:
		s, _ := c.RoleShare(r)
		return s.Float64() * float64(allocator.DefaultWeight) / float64(s.Weight)
	case queueColumn:
		s, _ := c.RoleShare(r)
		return s.Float64() * float64(allocator.DefaultWeight) / float64(s.Weight)
	}
	return 0
}

type drfColumn struct{ *allocator.DRF }

func (d drfColumn) Order() []allocator.Client { return slices.Collect(d.DRF.Order()) }

type queueColumn struct{ *allocator.Queue }

func (q queueColumn) Add(c allocator.Client) error        { return q.Queue.Add(c.Role, c.Name) }
func (q queueColumn) Remove(c allocator.Client) error     { return q.Queue.Remove(c.Role, c.Name) }
func (q queueColumn) Activate(c allocator.Client) error   { return q.Queue.Activate(c.Role, c.Name) }
func (q queueColumn) Deactivate(c allocator.Client) error { return q.Queue.Deactivate(c.Role, c.Name) }
func (q queueColumn) Charge(c allocator.Client, r res) error {
	return q.Queue.Charge(c.Role, c.Name, r)
}
func (q queueColumn) Credit(c allocator.Client, r res) error {
	return q.Queue.Credit(c.Role, c.Name, r)
}
func (q queueColumn) Order() (order []allocator.Client) {
	for role, name := range q.All() {
		order = append(order, allocator.Client{Role: role, Name: name})
	}
	return order
}

// mesosColumn is the order of Mesos. It refuses nothing.
type mesosColumn struct{ *mesos.Clients }

func told(do func()) error { do(); return nil }

func (m mesosColumn) SetCapacity(r res) error {
	return told(func() { m.SetTotal(mesos.Amounts(r.Clone())) })
}
func (m mesosColumn) SetWeight(r berth.Role, w allocator.Weight) error {
	return told(func() { m.Clients.SetWeight(string(r), float64(w)/float64(allocator.DefaultWeight)) })
}
func (m mesosColumn) Add(c allocator.Client) error {
	return told(func() { m.Clients.Add(string(c.Role), c.Name) })
}
func (m mesosColumn) Remove(c allocator.Client) error {
	return told(func() { m.Clients.Remove(string(c.Role), c.Name) })
}
func (m mesosColumn) Activate(c allocator.Client) error {
	return told(func() { m.Clients.Activate(string(c.Role), c.Name, true) })
}
func (m mesosColumn) Deactivate(c allocator.Client) error {
	return told(func() { m.Clients.Activate(string(c.Role), c.Name, false) })
}
func (m mesosColumn) Charge(c allocator.Client, r res) error {
	return told(func() { m.Allocated(string(c.Role), c.Name, mesos.Amounts(r)) })
}
func (m mesosColumn) Credit(c allocator.Client, r res) error {
	return told(func() { m.Unallocated(string(c.Role), c.Name, mesos.Amounts(r)) })
}
func (m mesosColumn) Order() (order []allocator.Client) {
	for _, c := range m.Sort() {
		order = append(order, allocator.Client{Role: berth.Role(c.Role), Name: c.Name})
	}
	return order
}
