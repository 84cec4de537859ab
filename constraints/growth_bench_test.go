package constraints_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

// BenchmarkGrowth measures what must not grow faster than the depth of a rule, the parts of a selector or the values of a rule: the
// time may grow at most 2.5 times over the doubling.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{1000, 2000} {
		var parts []berth.Selector
		for i := range n {
			parts = append(parts, berth.Label("app", fmt.Sprint(i)).And(berth.HasLabel(fmt.Sprint(i))))
		}
		b.Run(fmt.Sprintf("what=selector-parts/n=%d", n), func(b *testing.B) {
			for b.Loop() {
				if s := parts[0].Or(parts...); s.Not().Not() != s {
					b.Fatal(s)
				}
			}
		})
		text := parts[0].Or(parts...).String()
		b.Run(fmt.Sprintf("what=selector-text/n=%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := berth.ParseSelector(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, n := range []int{1000, 2000} {
		items, networks, conditions := make([]string, n), make([]string, n), make([]string, n)
		for i := range n {
			items[i], networks[i], conditions[i] = fmt.Sprint(i), fmt.Sprintf("10.%d.%d.0/24", i/250, i%250), fmt.Sprintf("!= %d.1", i+1)
		}
		node := &berth.Node{ID: "n", Attributes: berth.Attributes{"items": strings.Join(items, ","), "ip": "10.255.0.1", "version": "0.7"}}
		for what, rule := range map[string]berth.NodeRule{
			"items":      constraints.ContainsAll("items", items...),
			"networks":   constraints.Not(constraints.InNetwork("ip", networks...)),
			"conditions": constraints.Version("version", strings.Join(conditions, ", ")),
		} {
			b.Run(fmt.Sprintf("what=%s/n=%d", what, n), func(b *testing.B) {
				for b.Loop() {
					again, err := constraints.Parse(rule.String())
					if err != nil || !again.(berth.NodeRule).Allows(node) {
						b.Fatal(rule)
					}
				}
			})
		}
	}
	for _, n := range []int{1000, 2000} {
		percents, values := map[any]int{}, make([]berth.Value, n)
		for i := range n {
			rack := fmt.Sprint("rack", i)
			values[i], _ = berth.ValueOf(rack)
			percents[rack] = 0
		}
		rule := constraints.Targets("rack", 10, percents)
		b.Run(fmt.Sprintf("what=targets/n=%d", n), func(b *testing.B) {
			for b.Loop() {
				for _, v := range values {
					if rule.Limit(berth.Domains{Value: v}) != 0 {
						b.Fatal(v)
					}
				}
			}
		})
	}
	for what, nest := range map[string]func(inner, leaf berth.NodeRule) berth.NodeRule{
		"nested-and": func(inner, leaf berth.NodeRule) berth.NodeRule { return constraints.And(inner, leaf) },
		"nested-or":  func(inner, leaf berth.NodeRule) berth.NodeRule { return constraints.Or(leaf, inner) },
		"nested-not": func(inner, _ berth.NodeRule) berth.NodeRule { return constraints.Not(inner) },
	} {
		for _, depth := range []int{4000, 8000} {
			b.Run(fmt.Sprintf("what=%s/n=%d", what, depth), func(b *testing.B) {
				leaf := constraints.Exists("zone")
				n := &berth.Node{ID: "n"}
				for b.Loop() {
					var rule berth.NodeRule = leaf
					for range depth {
						rule = nest(rule, leaf)
					}
					g := berth.NewGroup("g", berth.GroupSpec{Rules: []berth.Constraint{rule}})
					if g.Err() != nil || rule.Allows(n) { // an even number of Nots is none
						b.Fatal(g.Err())
					}
					_ = rule.Why(n)
				}
			})
		}
	}
}
