package allocator_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/internal/script"
)

// bought is an order of the papers' other rules: each resource has a price, and the turn is that of who has spent the least.
type bought struct {
	price map[string]float64
	spent map[allocator.Client]float64
}

func (b *bought) cost(r res) (sum float64) {
	for _, name := range slices.Sorted(maps.Keys(r)) { // floats add up to the same in one order only
		sum += b.price[name] * float64(r[name])
	}
	return sum
}

func (b *bought) SetCapacity(res) error                        { return nil }
func (b *bought) SetWeight(berth.Role, allocator.Weight) error { return nil }
func (b *bought) Activate(allocator.Client) error              { return nil }
func (b *bought) Deactivate(allocator.Client) error            { return nil }
func (b *bought) Add(c allocator.Client) error                 { return told(func() { b.spent[c] = 0 }) }
func (b *bought) Remove(c allocator.Client) error              { return told(func() { delete(b.spent, c) }) }
func (b *bought) Charge(c allocator.Client, r res) error {
	return told(func() { b.spent[c] += b.cost(r) })
}
func (b *bought) Credit(c allocator.Client, r res) error {
	return told(func() { b.spent[c] -= b.cost(r) })
}
func (b *bought) Order() []allocator.Client {
	return slices.SortedFunc(maps.Keys(b.spent), func(x, y allocator.Client) int {
		return cmp.Or(cmp.Compare(b.spent[x], b.spent[y]), strings.Compare(x.String(), y.String()))
	})
}

// prices are those at which everybody spends one in all and all that has a price is sold. A price rises with what is asked for at it: at prices p a
// client of tasks d runs 1/(p d) of them, and p := p sum(d/(p d))/capacity again and again never takes the product of everybody's tasks down.
func (s *stage) prices(t *testing.T, cmd script.Command) (price map[string]float64, told string) {
	price = map[string]float64{}
	for name, q := range s.pool {
		price[name] = 1 / float64(q)
	}
	b := &bought{price: price}
	var tasks []res
	for line := range strings.Lines(cmd.Input) {
		tasks = append(tasks, amountsOf(t, cmd.Pos, strings.Fields(line)[1:]))
	}
	for range 20_000 {
		asked := map[string]float64{}
		for _, d := range tasks {
			n := 1 / b.cost(d)
			for name, q := range d {
				asked[name] += n * float64(q)
			}
		}
		for name, q := range s.pool {
			price[name] *= asked[name] / float64(q)
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(price)) {
		out = append(out, fmt.Sprintf("%s %.4f", name, price[name]*1000))
	}
	return price, "prices " + strings.Join(out, ", ") + "\n"
}
