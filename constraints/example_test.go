package constraints_test

import (
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
)

func Example() {
	web := berth.NewGroup("web", berth.GroupSpec{
		Request: berth.Resources{"cpu": 500},
		Rules: []berth.Constraint{
			constraints.In("zone", "b", "a"),
			constraints.AtLeast("generation", 7),
			constraints.GroupBy("zone"),
			constraints.Tolerate("dedicated", "web"),
		},
		Prefer: []berth.Preference{{Weight: 10, Rule: constraints.Eq("disk", "ssd")}},
	})
	old := &berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": "c", "generation": 6}}
	for _, reason := range cluster.Ineligible(web, old) {
		fmt.Println(reason.Subject)
	}
	// Output:
	// zone in ("a", "b")
	// generation >= 7
}

// try prints the rule and what it says of each node.
func try(rule berth.NodeRule, nodes ...*berth.Node) {
	fmt.Println(rule)
	for _, n := range nodes {
		if rule.Allows(n) {
			fmt.Printf("%s: yes\n", n.ID)
		} else {
			fmt.Printf("%s: no, %s\n", n.ID, rule.Why(n))
		}
	}
}

var (
	old   = &berth.Node{ID: "old", Attributes: berth.Attributes{"zone": "eu-1", "generation": 6}}
	young = &berth.Node{ID: "young", Attributes: berth.Attributes{"zone": "us-1", "generation": 8}}
	blank = &berth.Node{ID: "blank"}
)

func ExampleEq() {
	try(constraints.Eq("zone", "eu-1"), old, young, blank)
	// Output:
	// zone = "eu-1"
	// old: yes
	// young: no, zone is "us-1"
	// blank: no, zone is missing
}

func ExampleNotEq() {
	try(constraints.NotEq("generation", 6), old, young, blank)
	// Output:
	// generation != 6
	// old: no, generation is 6
	// young: yes
	// blank: yes
}

func ExampleIn() {
	try(constraints.In("zone", "us-1", "eu-2"), old, young)
	// Output:
	// zone in ("eu-2", "us-1")
	// old: no, zone is "eu-1"
	// young: yes
}

func ExampleNotIn() {
	try(constraints.NotIn("zone", "us-1", "eu-2"), old, young, blank)
	// Output:
	// zone not in ("eu-2", "us-1")
	// old: yes
	// young: no, zone is "us-1"
	// blank: yes
}

func ExampleExists() {
	try(constraints.Exists("zone"), old, blank)
	// Output:
	// exists(zone)
	// old: yes
	// blank: no, zone is missing
}

func ExampleNotExists() {
	try(constraints.NotExists("zone"), old, blank)
	// Output:
	// not-exists(zone)
	// old: no, zone is "eu-1"
	// blank: yes
}

func ExampleLess() {
	try(constraints.Less("generation", 8), old, young)
	// Output:
	// generation < 8
	// old: yes
	// young: no, generation is 8
}

func ExampleAtMost() {
	try(constraints.AtMost("generation", 7.5), old, young)
	// Output:
	// generation <= 7.5
	// old: yes
	// young: no, generation is 8
}

func ExampleGreater() {
	try(constraints.Greater("zone", 1), old)
	// Output:
	// zone > 1
	// old: no, zone is "eu-1", which is not a number
}

func ExampleAtLeast() {
	try(constraints.AtLeast("generation", 8), old, young, blank)
	// Output:
	// generation >= 8
	// old: no, generation is 6
	// young: yes
	// blank: no, generation is missing
}

func ExampleMatch() {
	try(constraints.Match("zone", "eu"), old) // the whole text must match
	try(constraints.Match("zone", "eu-[0-9]+"), old, young)
	fmt.Println(constraints.Match("zone", "eu-[").Err())
	// Output:
	// match(zone, "eu")
	// old: no, zone is "eu-1"
	// match(zone, "eu-[0-9]+")
	// old: yes
	// young: no, zone is "us-1"
	// constraint match(zone, "eu-["): pattern "eu-[": error parsing regexp: missing closing ]: `[`
}

func ExampleNotMatch() {
	try(constraints.NotMatch("zone", "eu-.*"), old, young, blank)
	// Output:
	// not-match(zone, "eu-.*")
	// old: no, zone is "eu-1"
	// young: yes
	// blank: yes
}

func ExampleSearch() {
	try(constraints.Search("zone", "^eu"), old, young)
	// Output:
	// search(zone, "^eu")
	// old: yes
	// young: no, zone is "us-1"
}

func ExampleAnd() {
	try(constraints.And(constraints.Exists("zone"), constraints.Less("generation", 7)), old, young, blank)
	// Output:
	// (exists(zone) and generation < 7)
	// old: yes
	// young: no, generation is 8
	// blank: no, zone is missing, generation is missing
}

func ExampleOr() {
	try(constraints.Or(constraints.Eq("zone", "us-1"), constraints.Less("generation", 6)), old, young)
	// Output:
	// (zone = "us-1" or generation < 6)
	// old: no, zone is "eu-1", generation is 6
	// young: yes
}

func ExampleNot() {
	try(constraints.Not(constraints.Search("zone", "eu")), old, young, blank)
	// Output:
	// not (search(zone, "eu"))
	// old: no, search(zone, "eu") holds
	// young: yes
	// blank: yes
}

func ExampleUnique() {
	rule := constraints.Unique("zone")
	fmt.Println(rule, rule.Limit(berth.Domains{Number: 3, Least: 1}))
	// Output: unique(zone) 1
}

func ExampleUniqueNode() {
	fmt.Println(constraints.UniqueNode())
	// Output: unique(node.id)
}

func ExampleMaxPer() {
	rule := constraints.MaxPer("rack", 4)
	fmt.Println(rule, rule.Limit(berth.Domains{Number: 3, Least: 1}))
	// Output: max-per(rack, 4) 4
}

func ExampleGroupBy() {
	rule := constraints.GroupBy("zone")
	fmt.Println(rule, rule.Limit(berth.Domains{Number: 3, Least: 1}))
	// Output: group-by(zone) 2
}

func ExampleSpread_Skew() {
	rule := constraints.GroupBy("zone").Skew(2)
	fmt.Println(rule, rule.Limit(berth.Domains{Number: 3, Least: 1}))
	// Output: group-by(zone, skew 2) 3
}

func ExampleSpread_MinDomains() {
	rule := constraints.GroupBy("zone").MinDomains(3)
	fmt.Println(rule, rule.Limit(berth.Domains{Number: 2, Least: 1}), rule.Limit(berth.Domains{Number: 3, Least: 1}))
	// Output: group-by(zone, min-domains 3) 1 2
}

func ExampleTolerate() {
	rule := constraints.Tolerate("dedicated", "gpu")
	fmt.Println(rule)
	fmt.Println(rule.Tolerates(berth.Taint{Key: "dedicated", Value: "gpu"}), rule.Tolerates(berth.Taint{Key: "dedicated", Value: "db"}))
	// Output:
	// tolerate(dedicated = "gpu")
	// true false
}

func ExampleTolerateKey() {
	rule := constraints.TolerateKey("dedicated")
	fmt.Println(rule, rule.Tolerates(berth.Taint{Key: "dedicated", Value: "gpu"}))
	// Output: tolerate(dedicated) true
}

func ExampleTolerateAll() {
	rule := constraints.TolerateAll()
	fmt.Println(rule, rule.Tolerates(berth.Taint{Key: "maintenance"}))
	// Output: tolerate(*) true
}

func ExampleParse() {
	for _, text := range []string{`zone in ("b", "a")`, `not ((exists(gpu) or generation < 7))`, `max-per(rack, 1)`, `zone in "a"`} {
		rule, err := constraints.Parse(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(rule)
	}
	// Output:
	// zone in ("a", "b")
	// not ((exists(gpu) or generation < 7))
	// unique(rack)
	// constraints: offset 8, between "zone in " and "\"a\"": want "("
}

func ExampleParsePreference() {
	p, err := constraints.ParsePreference(`-5 disk = "hdd"`)
	fmt.Println(p.Weight, p.Rule, err)
	// Output:
	// -5 disk = "hdd" <nil>
}

// even is a host's own rule: only nodes of an even generation.
type even struct{}

func (even) String() string           { return "even-generation" }
func (even) Err() error               { return nil }
func (even) Reads() []string          { return []string{"generation"} }
func (even) Why(n *berth.Node) string { return "its generation is odd" }
func (even) Allows(n *berth.Node) bool {
	v, _ := n.Attribute("generation")
	number, ok := v.Number()
	return ok && int(number)%2 == 0
}

func ExampleOwn_Parse() {
	own := constraints.Own{"even-generation": func(string) (berth.Constraint, error) { return even{}, nil }}
	rule, err := own.Parse(`(even-generation and zone = "eu-1")`)
	if err != nil {
		fmt.Println(err)
		return
	}
	try(rule.(berth.NodeRule), old, young)
	// Output:
	// (even-generation and zone = "eu-1")
	// old: yes
	// young: no, zone is "us-1"
}

func ExampleApart() {
	label := func(app string, rules ...berth.Constraint) berth.GroupSpec {
		return berth.GroupSpec{Labels: map[string]string{"app": app}, Rules: rules}
	}
	db := berth.NewGroup("db", label("db", constraints.Apart("rack", berth.Label("app", "batch"))))
	batch := berth.NewGroup("batch", label("batch"))

	f := cluster.NewFork()
	_ = f.AddNodes(
		berth.Node{ID: "n1", Attributes: berth.Attributes{"rack": "r1"}},
		berth.Node{ID: "n2", Attributes: berth.Attributes{"rack": "r1"}},
		berth.Node{ID: "n3", Attributes: berth.Attributes{"rack": "r2"}},
	)
	f.Apply(berth.Op{Kind: berth.Place, Task: db.Task("db-1"), Node: "n1"})
	for n := range f.Nodes() { // batch has no rule, but db keeps apart from it
		fmt.Println(n.ID(), f.Lacks(batch, n))
	}
	// Output:
	// n1 [kept off by apart(rack, app = "batch") (rack=r1 has db-1)]
	// n2 [kept off by apart(rack, app = "batch") (rack=r1 has db-1)]
	// n3 []
}

func ExampleNear() {
	web := berth.Label("app", "web")
	v1 := berth.NewGroup("web-v1", berth.GroupSpec{Labels: map[string]string{"app": "web"}, Rules: []berth.Constraint{constraints.Near("zone", web)}})
	proxy := berth.NewGroup("proxy", berth.GroupSpec{Rules: []berth.Constraint{constraints.Near("zone", web)}})

	f := cluster.NewFork()
	_ = f.AddNodes(
		berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": "a"}},
		berth.Node{ID: "n2", Attributes: berth.Attributes{"zone": "b"}},
	)
	_, why := f.Apply(berth.Op{Kind: berth.Place, Task: proxy.Task("proxy-1"), Node: "n1"})
	fmt.Println("proxy:", why)
	_, why = f.Apply(berth.Op{Kind: berth.Place, Task: v1.Task("web-1"), Node: "n2"}) // the first, which is one of those it must be near
	fmt.Println("web:", why)
	_, why = f.Apply(berth.Op{Kind: berth.Place, Task: proxy.Task("proxy-1"), Node: "n2"})
	fmt.Println("proxy:", why)
	// Output:
	// proxy: none of near(zone, app = "web")
	// web: no reason
	// proxy: no reason
}

// Two revisions of a service are spread as one.
func ExampleSpread_Of() {
	web := berth.Label("app", "web")
	rule := constraints.GroupBy("zone").Of(web)
	fmt.Println(rule)
	v1 := berth.NewGroup("web-v1", berth.GroupSpec{Labels: map[string]string{"app": "web"}, Rules: []berth.Constraint{rule}})
	v2 := berth.NewGroup("web-v2", berth.GroupSpec{Labels: map[string]string{"app": "web"}, Rules: []berth.Constraint{rule}})

	f := cluster.NewFork()
	_ = f.AddNodes(
		berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": "a"}},
		berth.Node{ID: "n2", Attributes: berth.Attributes{"zone": "b"}},
	)
	f.Apply(berth.Op{Kind: berth.Place, Task: v1.Task("old"), Node: "n1"})
	for n := range f.Nodes() {
		fmt.Println(n.ID(), f.Fits(v2, n))
	}
	// Output:
	// group-by(zone, of app = "web")
	// n1 false
	// n2 true
}

func ExampleVersion() {
	try(constraints.Version("kernel", "~> 5.4, != 5.9"),
		&berth.Node{ID: "n1", Attributes: berth.Attributes{"kernel": "5.15.0"}},
		&berth.Node{ID: "n2", Attributes: berth.Attributes{"kernel": "6.1.0"}},
		&berth.Node{ID: "n3", Attributes: berth.Attributes{"kernel": "5.16.0-rc1"}})
	// Output:
	// version(kernel, "~> 5.4, != 5.9")
	// n1: yes
	// n2: no, kernel is "6.1.0"
	// n3: no, kernel is "5.16.0-rc1"
}

func ExampleSemVer() {
	try(constraints.SemVer("agent", ">= 1.7.0-beta"),
		&berth.Node{ID: "n1", Attributes: berth.Attributes{"agent": "1.8.0-rc.1"}},
		&berth.Node{ID: "n2", Attributes: berth.Attributes{"agent": "1.7.0-alpha"}})
	// Output:
	// semver(agent, ">= 1.7.0-beta")
	// n1: yes
	// n2: no, agent is "1.7.0-alpha"
}

func ExampleContainsAll() {
	try(constraints.ContainsAll("features", "avx2", "sgx"),
		&berth.Node{ID: "n1", Attributes: berth.Attributes{"features": "sse4, avx2, sgx"}},
		&berth.Node{ID: "n2", Attributes: berth.Attributes{"features": "sse4, avx2"}})
	// Output:
	// contains-all(features, "avx2", "sgx")
	// n1: yes
	// n2: no, features is "sse4, avx2"
}

func ExampleContainsAny() {
	try(constraints.ContainsAny("jvm", "11", "17"),
		&berth.Node{ID: "n1", Attributes: berth.Attributes{"jvm": "8,11"}},
		&berth.Node{ID: "n2", Attributes: berth.Attributes{"jvm": "8"}})
	// Output:
	// contains-any(jvm, "11", "17")
	// n1: yes
	// n2: no, jvm is "8"
}

func ExampleInNetwork() {
	try(constraints.InNetwork("ip", "10.1.0.0/16", "fd00:1::/32"),
		&berth.Node{ID: "n1", Attributes: berth.Attributes{"ip": "10.1.2.3"}},
		&berth.Node{ID: "n2", Attributes: berth.Attributes{"ip": "fd00:1::7"}},
		&berth.Node{ID: "n3", Attributes: berth.Attributes{"ip": "10.2.0.1"}})
	fmt.Println(constraints.InNetwork("ip", "10.1.0.0/33").Err())
	// Output:
	// in-network(ip, "10.1.0.0/16", "fd00:1::/32")
	// n1: yes
	// n2: yes
	// n3: no, ip is "10.2.0.1"
	// constraint in-network(ip, "10.1.0.0/33"): "10.1.0.0/33" is neither a network nor an address
}

// A node affinity of Kubernetes: terms of which one must hold, each of expressions that must all hold.
func ExampleOr_nodeAffinity() {
	terms := []berth.NodeRule{
		constraints.And(constraints.Eq("zone", "eu-1"), constraints.Greater("generation", 7)),
		constraints.In(berth.NodeID, "young", "blank"), // matchFields: metadata.name
	}
	try(constraints.Or(terms...), old, young, blank)
	// Output:
	// ((zone = "eu-1" and generation > 7) or node.id in ("blank", "young"))
	// old: no, generation is 6, node.id is "old"
	// young: yes
	// blank: yes
}

func ExampleEverywhere() {
	terms := []berth.NodeRule{constraints.Everywhere()}
	for _, zone := range []string{"eu-1", "eu-2"} { // whatever is configured, nothing included
		terms = append(terms, constraints.NotEq("zone", zone))
	}
	try(constraints.And(terms...), old, young)
	// Output:
	// (everywhere and zone != "eu-1" and zone != "eu-2")
	// old: no, zone is "eu-1"
	// young: yes
}

func ExampleNowhere() {
	try(constraints.Nowhere(), old)
	// Output:
	// nowhere
	// old: no, no node is
}

func ExampleToleration_Effect() {
	rule := constraints.TolerateKey("maintenance").Effect(berth.NoSchedule)
	fmt.Println(rule)
	for _, effect := range []berth.Effect{berth.NoSchedule, berth.PreferNoSchedule, berth.NoExecute} {
		fmt.Println(effect, rule.Tolerates(berth.Taint{Key: "maintenance", Effect: effect}))
	}
	// Output:
	// tolerate(maintenance, effect no-schedule)
	// no-schedule true
	// prefer-no-schedule false
	// no-execute false
}

// How long tasks stay on a node that cannot be reached is for their group to say, and for the host to do.
func ExampleToleration_For() {
	web := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{constraints.TolerateKey("unreachable").For(5 * time.Minute)}})
	batch := berth.NewGroup("batch", berth.GroupSpec{})
	n := &berth.Node{ID: "n1", Taints: []berth.Taint{{Key: "unreachable", Effect: berth.NoExecute}}}
	for _, g := range []*berth.Group{web, batch} {
		after, leaves := cluster.Leaves(g, n)
		fmt.Println(g.Name(), leaves, after)
	}
	stay, _ := constraints.TolerateKey("unreachable").For(5 * time.Minute).Stay()
	fmt.Println(stay)
	// Output:
	// web true 5m0s
	// batch true 0s
	// 5m0s
}

func ExampleTolerateOver() {
	rule := constraints.TolerateOver("sla", 950)
	fmt.Println(rule, rule.Tolerates(berth.Taint{Key: "sla", Value: "999"}), rule.Tolerates(berth.Taint{Key: "sla", Value: "900"}))
	// Output: tolerate(sla > 950) true false
}

func ExampleTolerateUnder() {
	rule := constraints.TolerateUnder("risk", 5)
	fmt.Println(rule, rule.Tolerates(berth.Taint{Key: "risk", Value: "3"}), rule.Tolerates(berth.Taint{Key: "risk", Value: "unknown"}))
	// Output: tolerate(risk < 5) true false
}

func ExampleAvoid() {
	batch := berth.NewGroup("batch", berth.GroupSpec{Labels: map[string]string{"app": "batch"}})
	db := berth.NewGroup("db", berth.GroupSpec{Rules: []berth.Constraint{constraints.Avoid(berth.NodeID, berth.Label("app", "batch"))}})

	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1"}, berth.Node{ID: "n2"})
	f.Apply(berth.Op{Kind: berth.Place, Task: batch.Task("batch-1"), Node: "n1"})
	_, why := f.Apply(berth.Op{Kind: berth.Place, Task: db.Task("db-1"), Node: "n1"})
	fmt.Println("db on n1:", why)
	f.Apply(berth.Op{Kind: berth.Place, Task: db.Task("db-1"), Node: "n2"})
	_, why = f.Apply(berth.Op{Kind: berth.Place, Task: batch.Task("batch-2"), Node: "n2"})
	fmt.Println("batch on n2:", why)
	// Output:
	// db on n1: avoid(node.id, app = "batch")
	// batch on n2: no reason
}

func ExampleColocate() {
	cache := berth.NewGroup("cache", berth.GroupSpec{Labels: map[string]string{"app": "cache"}})
	web := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{constraints.Colocate(berth.NodeID, berth.Label("app", "cache"))}})

	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1"}, berth.Node{ID: "n2"})
	_, why := f.Apply(berth.Op{Kind: berth.Place, Task: web.Task("web-1"), Node: "n1"})
	fmt.Println("while there is no cache:", why)
	f.Apply(berth.Op{Kind: berth.Place, Task: cache.Task("cache-1"), Node: "n2"})
	_, why = f.Apply(berth.Op{Kind: berth.Place, Task: web.Task("web-2"), Node: "n1"})
	fmt.Println("then:", why)
	// Output:
	// while there is no cache: no reason
	// then: none of colocate(node.id, app = "cache")
}

func ExampleMaxPercent() {
	fmt.Println(constraints.MaxPercent("zone", 35, 20))
	fmt.Println(constraints.MaxPercent("zone", 35, 20).Limit(berth.Domains{}))
	// Output:
	// max-per(zone, 35% of 20)
	// 7
}

// A zone never has more than 40 % of what there is, but one task always finds a place.
func ExampleMaxShare() {
	rule := constraints.MaxShare("zone", 40)
	fmt.Println(rule)
	for _, total := range []int{0, 3, 9} {
		fmt.Println("the next of", total, "goes to a zone of fewer than", rule.Limit(berth.Domains{Number: 3, Total: total}))
	}
	// Output:
	// max-per(zone, 40%)
	// the next of 0 goes to a zone of fewer than 1
	// the next of 3 goes to a zone of fewer than 1
	// the next of 9 goes to a zone of fewer than 4
}

// Racks of one name in two zones are two domains.
func ExampleUnique_nested() {
	node := func(id, zone, rack string) berth.Node {
		return berth.Node{ID: id, Attributes: berth.Attributes{"zone": zone, "rack": rack}.Nest("zone", "rack")}
	}
	web := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{constraints.Unique("zone/rack")}})
	f := cluster.NewFork()
	_ = f.AddNodes(node("n1", "a", "r1"), node("n2", "b", "r1"), node("n3", "b", "r1"))
	f.Apply(berth.Op{Kind: berth.Place, Task: web.Task("web-1"), Node: "n2"})
	for n := range f.Nodes() {
		fmt.Println(n.ID(), f.Lacks(web, n))
	}
	// Output:
	// n1 []
	// n2 [unique(zone/rack) (zone/rack=b/r1 has web-1)]
	// n3 [unique(zone/rack) (zone/rack=b/r1 has web-1)]
}

// Of ten tasks eight go to one data centre and two to the other, and none to a third.
func ExampleTargets() {
	rule := constraints.Targets("dc", 10, map[any]int{"dc1": 80, "dc2": 20})
	fmt.Println(rule)
	for _, dc := range []string{"dc1", "dc2", "dc3"} {
		v, _ := berth.ValueOf(dc)
		fmt.Println(dc, rule.Limit(berth.Domains{Value: v}))
	}
	// Output:
	// targets(dc, 10, "dc1" 80%, "dc2" 20%)
	// dc1 8
	// dc2 2
	// dc3 0
}

// At most two racks, whichever come first, and at most three tasks in each: GROUP_BY 2 of five instances, as Marathon has it since October 2020.
func ExamplePair_Domains() {
	web := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{
		constraints.Colocate("rack", berth.Selector{}).Domains(2), constraints.MaxPer("rack", 3),
	}})
	f := cluster.NewFork()
	for _, rack := range []string{"r1", "r2", "r3"} {
		_ = f.AddNodes(berth.Node{ID: rack, Attributes: berth.Attributes{"rack": rack}})
	}
	for i, node := range []string{"r1", "r3", "r2"} {
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: web.Task(fmt.Sprintf("web-%d", i+1)), Node: node})
		fmt.Println(node, why)
	}
	// Output:
	// r1 no reason
	// r3 no reason
	// r2 none of colocate(rack, own, domains 2)
}
