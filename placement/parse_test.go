package placement_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/placement"
)

func anyStrategy(r *rand.Rand) placement.Strategy {
	pick := func() []string {
		names := []string{"cpu", "gpu/a100", "a b", "a, b", `"`, ")", "größe", "within 3", berth.NodeID}
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		return names[:1+r.IntN(3)]
	}
	s := []placement.Strategy{
		{}, placement.BinPack(), placement.BinPack(pick()...), placement.Spread(), placement.Spread(pick()...), placement.FirstFit(),
		placement.Random(r.Uint64()),
	}[r.IntN(7)]
	if r.IntN(3) == 0 {
		s = s.Over(pick()...)
	}
	if r.IntN(3) == 0 {
		s = s.Within(r.Int64())
	}
	switch r.IntN(3) {
	case 0:
		s = s.TiesByID()
	case 1:
		s = s.Seed(r.Uint64())
	}
	return s
}

// A strategy that has a name is read as it prints.
func TestParseStrategies(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		s := anyStrategy(r)
		require.NoError(t, s.Err())
		text, err := s.MarshalText()
		require.NoError(t, err)
		require.Equal(t, s.String(), string(text))
		again, err := placement.Parse(string(text))
		require.NoError(t, err, "%s", text)
		require.Equal(t, s.String(), again.String())
	}
	var config struct{ Strategy placement.Strategy }
	require.NoError(t, json.Unmarshal([]byte(`{"Strategy":"binpack(gpu, cpu) within 100; seed 7"}`), &config))
	assert.Equal(t, placement.BinPack("gpu", "cpu").Within(100).Seed(7).String(), config.Strategy.String())
	one, err := placement.Parse(`binpack("a, b")`)
	require.NoError(t, err)
	two, err := placement.Parse(`binpack(a, b)`)
	require.NoError(t, err)
	assert.NotEqual(t, one.String(), two.String(), "a name with a comma is another than two names")
}

func TestParseStrategyFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   `placement: strategy "": offset 0: want binpack, spread(, first fit or random(`,
		"best fit":                           "offset 0: want binpack",
		"binpack()":                          "offset 8: want a name",
		"binpack(cpu":                        `offset 11: want ")"`,
		"binpack(cpu,gpu)":                   `offset 11: want ")"`,
		`binpack("cpu)`:                      "offset 8: want a name",
		"binpack ":                           "offset 7: the strategy has ended",
		"spread(zone, zone)":                 `attribute "zone" is empty or given twice`,
		`spread("")`:                         `attribute "" is empty or given twice`,
		"random(-1)":                         "offset 7: want a number",
		"random(99999999999999999999)":       "offset 7: want a number",
		"binpack within 9223372036854775808": "the tolerance before is too large",
		"binpack; ties by name":              "offset 7: the strategy has ended",
		"binpack; seed":                      "offset 7: the strategy has ended",
		"first fit over":                     "offset 9: the strategy has ended",
	} {
		var s placement.Strategy
		err := s.UnmarshalText([]byte(text))
		assert.ErrorContains(t, err, want, text)
	}
	_, err := placement.Best(placement.InUse()).MarshalText()
	assert.ErrorContains(t, err, "a sum of terms has no text form that brings it back")
	_, err = json.Marshal(placement.BinPack("cpu", "cpu"))
	assert.ErrorContains(t, err, "given twice")
	_, err = placement.Parse("binpack within 9223372036854775807")
	assert.NoError(t, err, math.MaxInt64)
}

func FuzzParseStrategy(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 30 {
		f.Add(anyStrategy(r).String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := placement.Parse(text)
		if err != nil {
			return
		}
		again, err := placement.Parse(s.String())
		require.NoError(t, err)
		require.Equal(t, s.String(), again.String())
	})
}

func ExampleParse() {
	for _, text := range []string{"binpack(gpu, cpu) within 100", "spread(zone); seed 7", "best fit"} {
		strategy, err := placement.Parse(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(strategy)
	}
	// Output:
	// binpack(gpu, cpu) within 100
	// spread(zone); seed 7
	// placement: strategy "best fit": offset 0: want binpack, spread(, first fit or random(
}
