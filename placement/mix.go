package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// Mix is what tasks are expected to ask for, and how often: what [FGD], [RoomLoss] and [PricedGaps] keep room for. It is a value that
// never changes. The zero Mix expects nothing, and a strategy that is given it learns which tasks arrive, see [Learned].
type Mix struct {
	kinds []kindOfTask // by text
}

// kindOfTask is tasks that ask for the same.
type kindOfTask struct {
	asks
	text string
	n    int64 // how many there are of them, in units that are the same for all of a mix
}

// asks is what a task asks for, names in order.
type asks struct {
	amounts []amountAsked
	devices []devicesAsked
}

type amountAsked struct {
	name string
	q    int64
}

// devicesAsked is so many devices with so many units free, of some models, or of any if there are none. A model is there as often as it was named.
type devicesAsked struct {
	class        string
	count, units int64
	models       []string
}

// NewMix returns the mix of some tasks, such as those of the last week. What a daemon asks for is no part of it.
func NewMix(tasks ...berth.Task) Mix {
	of := map[*berth.Requirements]int64{}
	for _, t := range tasks {
		if r := expected(t); r != nil {
			of[r]++
		}
	}
	kinds := map[string]*kindOfTask{}
	for r, n := range of { // sums, whose order does not matter
		a := asksOf(r)
		text := a.String()
		if kinds[text] == nil {
			kinds[text] = &kindOfTask{asks: a, text: text}
		}
		kinds[text].n += n
	}
	var m Mix
	for _, k := range kinds {
		m.kinds = append(m.kinds, *k)
	}
	m.sort()
	return m
}

func (m *Mix) sort() {
	slices.SortFunc(m.kinds, func(a, b kindOfTask) int { return strings.Compare(a.text, b.text) })
}

// expected returns what a task asks for, if others like it may come.
func expected(t berth.Task) *berth.Requirements {
	if t.Group == nil || t.Group.Err() != nil || t.Group.Mode() == berth.Daemon {
		return nil
	}
	return t.Group.Requirements()
}

func asksOf(r *berth.Requirements) (a asks) {
	for _, need := range r.Needs {
		if need.Class == "" {
			a.amounts = append(a.amounts, amountAsked{need.Name, min(need.Amount, mostAsked)})
		}
	}
	for i := range r.Devices {
		d := &r.Devices[i]
		models := slices.Sorted(slices.Values(d.Models))
		a.devices = append(a.devices, devicesAsked{d.Class, int64(min(max(d.Count, 1), mostPerNode)), min(max(d.Units(), 0), berth.DeviceUnits), models})
	}
	return a
}

// of returns how much is asked of a resource.
func (a *asks) of(resource string) int64 {
	for _, x := range a.amounts {
		if x.name == resource {
			return x.q
		}
	}
	return 0
}

// String prints what is asked for: "cpu 4000, memory 1024; gpu 1 x 500 P100|T4".
func (a asks) String() string {
	var amounts, devices []string
	for _, x := range a.amounts {
		amounts = append(amounts, fmt.Sprintf("%s %d", lex.PrintName(x.name), x.q))
	}
	for _, d := range a.devices {
		text := fmt.Sprintf("%s %d x %d", lex.PrintName(d.class), d.count, d.units)
		if len(d.models) > 0 {
			models := make([]string, len(d.models))
			for i, model := range d.models {
				models[i] = lex.PrintName(model)
			}
			text += " " + strings.Join(models, "|")
		}
		devices = append(devices, text)
	}
	text := strings.Join(amounts, ", ")
	if len(devices) > 0 {
		text += "; " + strings.Join(devices, ", ")
	}
	return text
}

// tasks returns how many there are, in the units of the mix.
func (m Mix) tasks() (n int64) {
	for i := range m.kinds {
		n += m.kinds[i].n
	}
	return n
}

// IsZero reports whether the mix expects nothing.
func (m Mix) IsZero() bool { return len(m.kinds) == 0 }

// String prints the mix, as [ParseMix] reads it: "3 of (cpu 4000, memory 1024; gpu 1 x 500 P100|T4), 1 of (cpu 8000)". Of devices it is
// how many and how many units of each, and of which models.
func (m Mix) String() string {
	each := make([]string, len(m.kinds))
	for i, k := range m.kinds {
		each[i] = fmt.Sprintf("%d of (%s)", k.n, k.text)
	}
	return strings.Join(each, ", ")
}

// MarshalText returns what String prints.
func (m Mix) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText returns, as [ParseMix] does.
func (m *Mix) UnmarshalText(text []byte) error {
	read, err := ParseMix(string(text))
	if err == nil {
		*m = read
	}
	return err
}

// ParseMix reads a mix as it prints. The error is a [*berth.SyntaxError].
func ParseMix(text string) (Mix, error) {
	p := parser{Scanner: lex.Scanner{Reader: "placement", Text: text}}
	m, err := p.mix()
	if err != nil {
		return Mix{}, err
	}
	if p.Space(); p.Pos < len(p.Text) {
		return Mix{}, p.FaultAt(p.Pos, "the mix has ended")
	}
	return m, nil
}

// Bounds of what a mix expects, so that no sum of it overflows.
const (
	mostOfKind  = 1 << 40
	mostKinds   = 1 << 20
	mostAsked   = 1 << 60
	mostPerNode = 1 << 20 // devices, by all requests together
)

// mix reads kinds of tasks; none where nothing of the sort comes next.
func (p *parser) mix() (Mix, error) {
	var m Mix
	p.Space()
	if p.Pos == len(p.Text) || !lex.IsDigit(p.Text[p.Pos]) {
		return m, nil
	}
	start := p.Pos
	for more := true; more; more = p.at(',') {
		k, err := p.kindOfTask()
		if err != nil {
			return m, err
		}
		m.kinds = append(m.kinds, k)
	}
	m.sort()
	for i := range m.kinds {
		if i > 0 && m.kinds[i].text == m.kinds[i-1].text {
			return m, p.FaultAt(start, "two of the kind (%s)", m.kinds[i].text)
		}
	}
	if len(m.kinds) > mostKinds {
		return m, p.FaultAt(start, "%d kinds of tasks, and %d is the most", len(m.kinds), mostKinds)
	}
	return m, nil
}

// between reads a whole number from lo to hi.
func (p *parser) between(lo, hi int64) (int64, error) {
	p.Space()
	start := p.Pos
	n, err := p.integer()
	if err == nil && (n < lo || n > hi) {
		err = p.FaultAt(start, "%d is not within %d to %d", n, lo, hi)
	}
	return n, err
}

func (p *parser) kindOfTask() (k kindOfTask, err error) {
	if k.n, err = p.between(1, mostOfKind); err != nil {
		return k, err
	}
	if err := cmp.Or(p.wantWord("of"), p.want('(')); err != nil {
		return k, err
	}
	if p.Space(); p.Peek() != ';' && p.Peek() != ')' {
		for more := true; more; more = p.at(',') {
			var a amountAsked
			if a.name, _, err = p.name(); err == nil {
				a.q, err = p.between(1, mostAsked)
			}
			if err != nil {
				return k, err
			}
			k.amounts = append(k.amounts, a)
		}
	}
	for more := p.at(';'); more; more = p.at(',') {
		d, err := p.devicesAsked()
		if err != nil {
			return k, err
		}
		k.devices = append(k.devices, d)
	}
	slices.SortFunc(k.amounts, func(a, b amountAsked) int { return strings.Compare(a.name, b.name) })
	slices.SortStableFunc(k.devices, func(a, b devicesAsked) int { return strings.Compare(a.class, b.class) })
	k.text = k.asks.String()
	return k, p.want(')')
}

func (p *parser) devicesAsked() (d devicesAsked, err error) {
	if d.class, _, err = p.name(); err != nil {
		return d, err
	}
	if d.count, err = p.between(1, mostPerNode); err != nil {
		return d, err
	}
	if err = p.wantWord("x"); err != nil {
		return d, err
	}
	if d.units, err = p.between(0, berth.DeviceUnits); err != nil {
		return d, err
	}
	if p.Space(); p.Pos == len(p.Text) || p.Peek() == ',' || p.Peek() == ')' {
		return d, nil
	}
	for more := true; more; more = p.at('|') {
		model, _, err := p.name()
		if err != nil {
			return d, err
		}
		d.models = append(d.models, model)
	}
	slices.Sort(d.models)
	return d, nil
}
