package placement

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// Halves and thirds of a bin are worth what they are: two of 500 fill a bin, three of 330 nearly, and one of 810 leaves 190, which nothing fits in.
func TestGapValues(t *testing.T) {
	for name, c := range map[string]struct {
		sizes []itemSize
		want  map[int]int64
	}{
		"halves":         {[]itemSize{{50, 1}}, map[int]int64{49: 0, 50: 8000, 99: 8000, 100: 16000}},
		"nothing beside": {[]itemSize{{81, 1}}, map[int]int64{80: 0, 81: 16000, 100: 16000}},
		// Of 40 and 60 as many: pairs fill bins, so that both together are worth one. More of 40: two of 40 fill a bin, each is worth half and 60 the other.
		"pairs": {[]itemSize{{40, 3}, {60, 1}}, map[int]int64{39: 0, 40: 8000, 60: 8000, 80: 16000, 100: 16000}},
		"none":  {nil, map[int]int64{0: 0, 100: 0}},
	} {
		values := gapValues(100, c.sizes)
		for g, want := range c.want {
			assert.Equal(t, want, values[g], "%s: %d", name, g)
		}
	}
}

// The prices fit into no bin more often than once, by trying every pattern of two and three items, and pay for no less than the demand needs.
func TestPricesAreFeasible(t *testing.T) {
	sizes := []itemSize{{12, 5}, {19, 2}, {33, 7}, {47, 3}, {62, 4}, {81, 6}, {100, 2}}
	v := gapValues(100, sizes)
	assert.EqualValues(t, 16000, v[100])
	for a := range v {
		for b := range v[:101-a] {
			assert.LessOrEqual(t, v[a]+v[b], v[a+b]+2, "%d and %d", a, b)
		}
	}
}

// The score is the sigmoid of the paper, rounded down.
func TestFGDScore(t *testing.T) {
	for gain := -6000; gain <= 6000; gain += 7 {
		want := int64(100 / (1 + math.Exp(-float64(gain)/1000)))
		assert.Equal(t, want, fgdScore(int64(gain)<<30), "%d", gain)
	}
	assert.EqualValues(t, 50, fgdScore(0))
	assert.EqualValues(t, 0, fgdScore(math.MinInt64))
	assert.EqualValues(t, 99, fgdScore(math.MaxInt64))
}

// Shapes are those that cover 95 of 100 tasks, told exactly: of 300 tasks, 94 of 3 kinds come thrice, 12 are of kinds that come once, and of these three more are needed,
// those that ask for most. A model that is named twice makes another shape, as in the authors' program.
func TestFGDShapes(t *testing.T) {
	asking := func(cpu, share int64, models ...string) *berth.Group {
		return berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": cpu}, Devices: []berth.DeviceRequest{{Class: "gpu", Share: share, Models: models}}})
	}
	tasks := append(append(asking(1000, 300, "A").Tasks(94), asking(1000, 300, "A", "A").Tasks(94)...), asking(1000, 300).Tasks(94)...)
	for cpu := range int64(6) {
		tasks = append(tasks, asking(2000+cpu, 100).Task("t"), asking(2000+cpu, 200).Task("t"))
	}
	require.Len(t, tasks, 294) // 95 % of which are 279.3
	p := FGD(NewMix(tasks...)).gapPolicy()
	got := p.tune(p.mix, nil)
	assert.EqualValues(t, 282, got.Total)
	require.Len(t, got.Shapes, 3)
	tasks = tasks[15:] // 15 of the first go: 95 % of 279 are 265.05, and the 3 kinds have 267
	p = FGD(NewMix(tasks...)).gapPolicy()
	require.Len(t, p.tune(p.mix, nil).Shapes, 3)
	tasks = tasks[79:] // all of the first: 95 % of 200 are 190, and two kinds have 188
	p = FGD(NewMix(tasks...)).gapPolicy()
	got = p.tune(p.mix, nil)
	require.Len(t, got.Shapes, 4)
	assert.EqualValues(t, 190, got.Total)
	for i, want := range []string{"[1000] 300", "[1000] 300", "[2005] 200", "[2005] 100"} {
		assert.Equal(t, want, fmt.Sprint(got.Shapes[i].Others, got.Shapes[i].Size), i)
	}
	assert.Equal(t, []string{"A"}, got.Shapes[0].Models, "named twice, and first since that is more text")
}

// Of devices that are rated alike the one that is first on the node is given, although of another less is free; both pickers know, for nodes of which the devices
// are in another order too.
func TestFGDTakesTheFirstOfEqualDevices(t *testing.T) {
	nodes := []berth.Node{
		{ID: "a", Capacity: berth.Resources{"cpu": 64000}, Devices: []berth.Device{{ID: "0", Class: "gpu"}, {ID: "1", Class: "gpu"}}},
		{ID: "b", Capacity: berth.Resources{"cpu": 64000}, Devices: []berth.Device{{ID: "0", Class: "gpu"}, {ID: "1", Class: "gpu"}}},
	}
	s, err := cluster.NewSnapshot(nodes...)
	require.NoError(t, err)
	f := s.Fork()
	take := func(id, node, device string, units int64) {
		g := berth.NewGroup("g"+id, berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Devices: []berth.DeviceRequest{{Class: "gpu", Share: units}}})
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: g.Task(id), Node: node, Grant: &berth.Grant{Devices: []berth.DeviceShare{{Class: "gpu", ID: device, Units: units}}}})
		require.Equal(t, berth.None, why.Code, why)
	}
	take("1", "a", "0", 500)
	take("2", "a", "1", 700)
	take("3", "b", "0", 700)
	take("4", "b", "1", 500)
	small := berth.NewGroup("small", berth.GroupSpec{Request: berth.Resources{"cpu": 32000}, Devices: []berth.DeviceRequest{{Class: "gpu", Share: 100}}})
	// Everybody asks for 100, for which all that is free is of use on every device.
	by := FGD(NewMix(small.Tasks(1)...)).TiesByID()
	for _, picker := range []interface {
		Start(*cluster.Snapshot)
		Place(berth.Task) (berth.Op, bool)
	}{NewEngine(by), NewExhaustive(by)} {
		picker.Start(f.Snapshot())
		for i, want := range []string{"a", "b"} {
			op, ok := picker.Place(small.Task(fmt.Sprint("t", i)))
			require.True(t, ok)
			assert.Equal(t, want, op.Node)
			assert.Equal(t, "0", op.Grant.Devices[0].ID, want)
		}
	}
}

func gpuCell(n int) *cluster.Snapshot {
	var nodes []berth.Node
	for i := range n {
		nodes = append(nodes, berth.Node{ID: fmt.Sprint("n", i), Capacity: berth.Resources{"cpu": 64000, "memory": 256 << 30},
			Devices: []berth.Device{{Class: "gpu", Model: "A"}, {Class: "gpu", Model: "A"}}})
	}
	s, err := cluster.NewSnapshot(nodes...)
	if err != nil {
		panic(err)
	}
	return s
}

// What is learned does not depend on in how many calls tasks arrive between two renewals, is written and read back whole, and goes on as if it had not been.
func TestLearned(t *testing.T) {
	s := gpuCell(8)
	share := berth.NewGroup("share", berth.GroupSpec{Request: berth.Resources{"cpu": 4000, "memory": 8 << 30}, Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}})
	train := berth.NewGroup("train", berth.GroupSpec{Request: berth.Resources{"cpu": 16000, "memory": 32 << 30}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 2}}})
	tasks := append(share.Tasks(20), train.Tasks(7)...)
	for _, by := range []Strategy{FGD(Mix{}), RoomLoss(Mix{}), PricedGaps(Mix{}), PricedGaps(NewMix(tasks...)), PricedGaps(Mix{}).Over("cpu")} {
		require.True(t, by.Learns())
		l := NewLearned(by)
		var due []int64
		for i, task := range tasks {
			if next := l.Foresee(s, task); next != nil {
				assert.Equal(t, next.tuning, l.Foresee(s, task).tuning, "asked twice")
				l = next
				due = append(due, l.arrived)
			} else {
				l.Arrived(task)
			}
			if i == 13 {
				text, err := json.Marshal(l)
				require.NoError(t, err)
				again, err := ReadLearned(by, text)
				require.NoError(t, err)
				twice, err := json.Marshal(again)
				require.NoError(t, err)
				assert.Equal(t, string(text), string(twice))
				l = again
			}
		}
		assert.Equal(t, []int64{1, 2, 4, 8, 16}, due, by.String())
		require.NotNil(t, l.tuning, by)
		assert.NotEmpty(t, l.tuning.Shapes)
	}
	l := NewLearned(FGD(Mix{}))
	assert.False(t, l.Of(RoomLoss(Mix{})))
	_, err := ReadLearned(RoomLoss(Mix{}), []byte(`{"Version":1,"Strategy":"fgd","Due":1}`))
	assert.ErrorContains(t, err, `by "fgd", and the strategy is "room-loss"`)
	for _, text := range []string{`{`, `{}`, `{"Version":1,"Strategy":"fgd"}`, `{"Version":1,"Strategy":"fgd","Due":1,"Tuning":{"Others":["cpu"]}}`} {
		_, err := ReadLearned(FGD(Mix{}), []byte(text))
		assert.Error(t, err, text)
	}
	_, err = ReadLearned(BinPack(), nil)
	assert.Error(t, err)
	var none *Learned
	none.Arrived(tasks...)
	(&Learned{}).Arrived(tasks...)
	assert.Nil(t, none.Foresee(s, tasks...))
	assert.Nil(t, (&Learned{}).Foresee(s, tasks...))
}

// Of plain resources the one that the mix asks for the largest part of is the primary, whatever they are called: here 1000 of 8000 a task, beside 1000 of 64000.
func TestPlainPrimary(t *testing.T) {
	for _, names := range [][2]string{{"a", "b"}, {"b", "a"}} {
		scarce, plenty := names[0], names[1]
		s, err := cluster.NewSnapshot(berth.Node{ID: "n", Capacity: berth.Resources{scarce: 8000, plenty: 64000}})
		require.NoError(t, err)
		p := PricedGaps(Mix{}).gapPolicy()
		g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{scarce: 1000, plenty: 1000}})
		got := p.tune(NewMix(g.Tasks(1)...), s)
		assert.Equal(t, scarce, got.Primary)
		assert.EqualValues(t, 8000, got.Largest)
		assert.Equal(t, []string{plenty}, got.Others)
	}
}

// Tasks that ask for more than any node has, and more kinds of them than a mix keeps, are learned, written and read like others.
func TestLearnedIsReadBack(t *testing.T) {
	for name, specs := range map[string][]berth.GroupSpec{
		"amount": {{Request: berth.Resources{"cpu": math.MaxInt64}}},
		"count":  {{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 60000}}}},
		"kinds": func() (all []berth.GroupSpec) {
			for i := range mostLearned + 2 {
				all = append(all, berth.GroupSpec{Request: berth.Resources{"cpu": int64(i + 1)}})
			}
			return all
		}(),
	} {
		by := PricedGaps(Mix{})
		l := NewLearned(by)
		var tasks []berth.Task
		for i, spec := range specs {
			tasks = append(tasks, berth.NewGroup(fmt.Sprint("g", i), spec).Tasks(1)...)
			require.NoError(t, tasks[i].Group.Err(), name)
		}
		l.Arrived(tasks...)
		text, err := json.Marshal(l)
		require.NoError(t, err, name)
		_, err = ReadLearned(by, text)
		assert.NoError(t, err, name)
		m := NewMix(tasks...)
		read, err := ParseMix(m.String())
		assert.NoError(t, err, name)
		assert.Equal(t, m, read, name)
	}
}

// Of a plain resource a size that is many times the largest node is that of two, and 500 sizes are priced as 100, which takes 1/125 of the time.
func TestPlainSizes(t *testing.T) {
	for want, sizes := range map[int]func(i int) int64{
		500: func(i int) int64 { return int64(1 + i%100) },
		250: func(i int) int64 { return int64(4*(i%90) + 1 + i/90%2) },
		100: func(i int) int64 { return int64(1 + 2*i) },
	} {
		var tasks []berth.Task
		for i := range 500 {
			tasks = append(tasks, berth.NewGroup(fmt.Sprint("g", i), berth.GroupSpec{Request: berth.Resources{"cpu": sizes(i)}}).Task("t"))
		}
		snapshot, err := cluster.NewSnapshot(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 1000}})
		require.NoError(t, err)
		l := NewLearned(PricedGaps(Mix{})).Foresee(snapshot, tasks...)
		require.NotNil(t, l.tuning)
		assert.Len(t, l.tuning.Values, want+1)
	}
	snapshot, err := cluster.NewSnapshot(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 1}})
	require.NoError(t, err)
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 1 << 60}})
	l := NewLearned(PricedGaps(Mix{})).Foresee(snapshot, g.Task("t"))
	require.Len(t, l.tuning.Shapes, 1)
	assert.EqualValues(t, 2*whole, l.tuning.Shapes[0].Size)
}
