package placement_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// Every strategy that other tests hold the engine against is read as it prints.
func TestStrategiesAreReadAsTheyPrint(t *testing.T) {
	for _, s := range strategies() {
		r := placement.Reader{Rules: constraints.Parse, Terms: placement.OwnTerms(s)}
		text, err := s.MarshalText()
		require.NoError(t, err)
		again, err := r.Strategy(string(text))
		require.NoError(t, err)
		assert.Equal(t, s.String(), again.String())
		assert.True(t, placement.Alike(s, again), s)
		if own := r.Terms; len(own) > 0 {
			_, err := placement.Reader{Rules: constraints.Parse}.Strategy(string(text))
			assert.ErrorContains(t, err, "no term is named")
		}
	}
}

func TestTextsOfStrategies(t *testing.T) {
	best, tasks, use := placement.Best, placement.Tasks, placement.InUse
	odd := placement.Class(`a "b", c`, func(*berth.Node) int64 { return 0 })
	likeOurs := placement.Class("tasks", func(*berth.Node) int64 { return 0 }).Between(-1, 5)
	r := placement.Reader{Rules: constraints.Parse, Terms: []placement.Term{odd, likeOurs}}
	for text, s := range map[string]placement.Strategy{
		"binpack":                                    {},
		"binpack(cpu, gpu.memory) within 3":          placement.BinPack("cpu", "gpu.memory").Within(3),
		`binpack("a, b"); ties by id`:                placement.BinPack("x").TiesByID().Over("a, b"),
		"spread()":                                   placement.Spread(),
		"spread(zone, node.id) over cpu; seed 7":     placement.Spread("zone", "node.id").Over("memory").Over("cpu").Seed(7),
		`spread("a)") over cpu, gpu within 100`:      placement.Spread("a)").Over("cpu", "gpu").Within(100),
		"spread(zone) ":                              placement.Spread("zone").Over("cpu").Over(),
		"first fit":                                  placement.FirstFit(),
		"random(18446744073709551615)":               placement.Random(1<<64 - 1),
		"random(7), then -1 tasks(zone); seed 2":     placement.Random(7).Then(tasks("zone").Times(-1)).Seed(2),
		"any; ties by id":                            best().TiesByID(),
		"any within 2, then any":                     best().Within(2).Then(),
		"in-use(), then models + 2 preferences":      placement.BinPack().Then(placement.Models(), placement.Preferences().Times(2)),
		"7 in-use(cpu) + 3 tasks(rack) within 100":   best(use("cpu").Times(7), tasks("rack").Times(3)).Within(100),
		"0 tasks(rack, missing -4) between -9 and 9": best(tasks("rack").Missing(-4).Between(-9, 9).Times(0)),
		"tasks(rack)":                                best(tasks("rack").Missing(3).Missing(placement.MostTasks)),
		`-1 targets(dc, -7.5 10%, "dc 1" 80%, others 0%) between -9 and 0`: best(placement.Targets("dc", map[any]int{"dc 1": 80, -7.5: 10}).Others(0).Between(-9, 0).Times(-1)),
		`targets("a b", "" 100%)`:                                              best(placement.Targets("a b", map[any]int{"": 100})),
		"in-use(cpu) between 1 and 2":                                          best(use().Between(1, 2).Over("cpu")),
		`5 prefer(zone in ("a)", "b")) + in-use()`:                             best(placement.Prefer(constraints.In("zone", "a)", "b")).Times(5), use()),
		`2 "a \"b\", c" + "tasks" between -1 and 5`:                            best(odd.Times(2), likeOurs),
		"least-allocated(cpu, memory) + 2 balanced-allocation(cpu, gpu)":       best(placement.LeastAllocated(), placement.BalancedAllocation("cpu", "gpu").Times(2)),
		"3 most-allocated(cpu, 5 gpu) between 0 and 50, then any":              best(placement.MostAllocated("cpu", "gpu").Weights(1, 5).Between(0, 50).Times(3)).Then(),
		"requested-to-capacity-ratio(9 gpu.memory; 0 to 1, 5 to 10)":           best(placement.RequestedToCapacityRatio(placement.Shape{{0, 1}, {5, 10}}, "gpu.memory").Weights(9)),
		`nomad-binpack("2 a", "3b") + nomad-spread(per)`:                       best(placement.NomadBinPack("2 a", "3b"), placement.NomadSpread("per")),
		"-1 dot-product(2 cpu per 128000, gpu per 8000) + tetris(cpu, memory)": best(placement.DotProduct("cpu", "gpu").Per(128000, 8000).Weights(2, 1).Times(-1), placement.Tetris()),
		"binpack; best of 2":                                                   placement.BinPack().BestOf(2),
		"first fit; best of 100":                                               placement.FirstFit().BestOf(100),
		"gpu-packing(gpu) within 3; best of 3; seed 9":                         best(placement.GpuPacking("gpu")).Within(3).BestOf(3).Seed(9),
		"5 gpu-packing(\"a b\") between 2 and 9; best of 1; ties by id":        best(placement.GpuPacking("a b").Between(2, 9).Times(5)).BestOf(1).TiesByID(),
		"2 gpu-clustering(gpu) between 5 and 9, then any":                      best(placement.GpuClustering("gpu").Between(5, 9).Times(2)).Then(),
		"l1-norm(cpu) + 7 l2-norm(cpu, memory)":                                best(placement.L1Norm("gpu").Weights(4).Over("cpu"), placement.L2Norm("cpu", "memory").Times(7)),
		`"tasks" between 0 and 1`:                                              best(likeOurs.Between(0, 1)),
	} {
		read, err := r.Strategy(text)
		require.NoError(t, err, text)
		assert.Equal(t, strings.TrimSpace(text), s.String())
		assert.True(t, placement.Alike(s, read), text)

		loose := strings.NewReplacer("(", " (  ", ",", "  ,", " + ", "   +  ", ";", "  ;  ").Replace(text)
		if !strings.Contains(text, `"`) { // spaces between quotes count
			read, err = r.Strategy(" " + loose + "  ")
			require.NoError(t, err, loose)
			assert.True(t, placement.Alike(s, read), loose)
		}
	}
}

func TestTextsThatAreNoStrategies(t *testing.T) {
	broken := placement.Class("broken", nil)
	r := placement.Reader{Rules: constraints.Parse, Terms: []placement.Term{broken}}
	for _, c := range []struct {
		text   string
		offset int
		err    string
	}{
		{"", 0, "want a name"},
		{"best", 0, `no term is named "best"`},
		{"binpack(", 8, "want a name"},
		{"binpack(cpu", 11, `want ")"`},
		{"binpack(cpu, cpu)", 0, `resource "cpu" is empty or given twice`},
		{"binpack, then any", 7, "the strategy has ended"},
		{"binpack within", 14, "want a whole number"},
		{"binpack within -3", 15, "a tolerance of -3 is less than none"},
		{"spread", 6, `want "("`},
		{"spread(zone, zone)", 0, `attribute "zone" is empty or given twice`},
		{"first", 5, `want "fit"`},
		{"random(-1)", 7, "want a whole number of no sign"},
		{"in-use(cpu) + 3 balanced", 16, `no term is named "balanced"; a host's own are read by a Reader that has them`},
		{"in-use(cpu) + broken", 14, `term "broken": no function`},
		{"in-use(cpu), in-use()", 13, `want "then"`},
		{"in-use(cpu) +", 13, "want a name"},
		{"99999999999999999999 models", 0, "want a whole number"},
		{"least-allocated", 15, `want "("`},
		{"least-allocated(cpu; 0 to 1)", 19, `want ")"`},
		{"2 least-allocated(0 cpu)", 2, `weights: 0 of "cpu" is not within 1 to 1000`},
		{"nomad-spread(2 cpu)", 0, "weights: it has none"},
		{"l2-norm(cpu per 3, gpu)", 0, "per: 1 for 2 resources"},
		{"l2-norm(cpu per x)", 16, "want a whole number"},
		{"requested-to-capacity-ratio(cpu)", 31, `want ";"`},
		{"requested-to-capacity-ratio(cpu; 0 to 11)", 0, "a score of 11 is not within 0 to 10"},
		{"requested-to-capacity-ratio(cpu; 0 by 1)", 35, `want "to"`},
		{"least-allocated() between 3 and 1", 0, "between 3 and 1 there is nothing"},
		{"gpu-packing()", 12, "want a name"},
		{`gpu-packing("")`, 0, "no device class"},
		{`gpu-clustering("")`, 0, "no device class"},
		{"any; best of 0", 13, "best of 0: not within 1 to 100"},
		{"any; best of x", 13, "want a whole number"},
		{"any; best 2", 10, `want "of"`},
		{"any; best of 2; best of 2", 16, "want \"ties by id\" or a seed"},
		{"models between 1 and 2", 0, "between: not of models"},
		{"in-use() between 2 and 1", 0, "between 2 and 1 there is nothing"},
		{"tasks()", 6, "want a name"},
		{`tasks("")`, 0, "no attribute"},
		{"tasks(zone, most 3)", 12, `want "missing"`},
		{"targets(zone)", 0, "no values"},
		{`targets(node.id, "a" 1%)`, 0, "nodes are no domains to share tasks out to"},
		{`targets("", "a" 1%)`, 0, "no attribute"},
		{`targets(zone, "a" 1%, "b" 100%)`, 0, "the percentages make 101"},
		{`targets(zone, "a" -1%)`, 0, `percentage -1 of "a" is not from 0 to 100`},
		{`targets(zone, "a" 1%, others 101%)`, 0, "percentage 101 is not from 0 to 100"},
		{`targets(zone, others 1%, "a" 1%)`, 24, "others come last"},
		{`targets(zone, "a" 1)`, 19, `want "%"`},
		{`targets(zone, "a" 99999999999%)`, 18, "not from 0 to 100"},
		{`targets(zone, a 1%)`, 14, "want a text in quotes, a number or others"},
		{`targets(zone, 1 1%, 1.0 1%)`, 20, "value 1 is given twice"},
		{`tasks("zone)`, 6, "the quotes do not end"},
		{"any, then 4611686018427387904 in-use() + in-use()", 10, "the sum can be beyond 2^62"},
		{"models + prefer(zone = )", 23, "want a text in quotes or a number"},
		{`prefer(zone = "a"`, 6, "the parentheses do not end"},
		{"any; ties by name", 13, `want "id"`},
		{"any; shuffled", 5, "want \"ties by id\" or a seed"},
		{"any; seed 1; seed 2", 11, "the strategy has ended"},
	} {
		_, err := r.Strategy(c.text)
		var fault *berth.SyntaxError
		require.ErrorAs(t, err, &fault, c.text)
		assert.ErrorContains(t, err, c.err, c.text)
		assert.Equal(t, "placement", fault.Reader)
		assert.Equal(t, c.offset, fault.Offset, c.text)
	}
	brief, err := placement.ParseStrategy("least-allocated() + requested-to-capacity-ratio(; 0 to 1)") // over what they are by default
	require.NoError(t, err)
	assert.Equal(t, "least-allocated(cpu, memory) + requested-to-capacity-ratio(cpu, memory; 0 to 1)", brief.String())
	_, err = placement.ParseStrategy(`prefer(zone = "a")`)
	assert.ErrorContains(t, err, "rules are read by a Reader that has Rules, such as constraints.Parse")
	_, err = placement.Reader{Rules: func(string) (berth.Constraint, error) { return nil, errors.New("no") }}.Strategy("prefer(x)")
	assert.ErrorContains(t, err, "offset 7")
	_, err = placement.Reader{Rules: func(string) (berth.Constraint, error) { return nil, nil }}.Strategy("prefer(x)")
	assert.ErrorContains(t, err, "no rule")
}

func TestStrategiesInJSON(t *testing.T) {
	type file struct{ Strategy placement.Strategy }
	text, err := json.Marshal(file{placement.Spread("zone").TiesByID()})
	require.NoError(t, err)
	assert.JSONEq(t, `{"Strategy": "spread(zone); ties by id"}`, string(text))
	var read file
	require.NoError(t, json.Unmarshal(text, &read))
	assert.True(t, placement.Alike(placement.Spread("zone").TiesByID(), read.Strategy))
	assert.Error(t, json.Unmarshal([]byte(`{"Strategy": "speed"}`), &read))
	assert.Equal(t, "spread(zone); ties by id", read.Strategy.String(), "it stays as it was")

	for _, faulty := range []any{placement.Spread(""), placement.Term{}, placement.BinPack().Within(-1)} {
		_, err := json.Marshal(faulty)
		assert.Error(t, err)
	}
	text, err = json.Marshal(placement.InUse("cpu").Times(2))
	require.NoError(t, err)
	assert.Equal(t, `"2 in-use(cpu)"`, string(text))
}

func FuzzParseStrategy(f *testing.F) {
	var own []placement.Term
	for _, s := range strategies() {
		own = append(own, placement.OwnTerms(s)...)
		f.Add(s.String())
	}
	f.Add(`2 "a \"b\", c" within 3, then -1 tasks(rack, missing -4) between -9 and 9; seed 3`)
	r := placement.Reader{Rules: constraints.Parse, Terms: own}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := r.Strategy(text)
		if err != nil {
			var fault *berth.SyntaxError
			require.ErrorAs(t, err, &fault)
			require.True(t, 0 <= fault.Offset && fault.Offset <= len(text))
			return
		}
		require.NoError(t, s.Err())
		again, err := r.Strategy(s.String())
		require.NoError(t, err)
		require.Equal(t, s.String(), again.String())
		require.True(t, placement.Alike(s, again))
	})
}

// A strategy in a configuration file, with a term of the host's own.
func ExampleReader() {
	newest := placement.Class("newest", func(n *berth.Node) int64 {
		v, _ := n.Attribute("generation")
		year, _ := v.Number()
		return int64(year)
	}).Reads("generation").Between(0, 100)
	r := placement.Reader{Rules: constraints.Parse, Terms: []placement.Term{newest}}
	for _, text := range []string{
		`3 in-use(cpu) + prefer(disk = "ssd") within 1000, then newest; ties by id`,
		"3 in-use(cpu) + oldest",
	} {
		s, err := r.Strategy(text)
		fmt.Println(s, err)
	}
	// Output:
	// 3 in-use(cpu) + prefer(disk = "ssd") within 1000, then newest between 0 and 100; ties by id <nil>
	// binpack placement: offset 16, between "3 in-use(cpu) + " and "oldest": no term is named "oldest"; a host's own are read by a Reader that has them
}
