package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/examples/openb/internal/check"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// gpusOf returns how much GPU there is.
func gpusOf(c *trace.Cell) (milli int64) {
	for _, n := range c.Nodes {
		milli += int64(len(n.Devices)) * berth.DeviceUnits
	}
	return milli
}

// arrivals returns the tasks of the published experiment for a seed (Weng et al., USENIX ATC 2023): the list shuffled, and copies or
// deletions until it asks for 130 % of the GPUs. Its generator is the one that the experiment used.
func arrivals(c *trace.Cell, seed int64) []trace.Pod {
	rng := rand.New(rand.NewSource(seed))
	sorted := slices.Clone(c.Pods)
	slices.SortFunc(sorted, func(a, b trace.Pod) int { return strings.Compare(a.Name, b.Name) })
	rng.Int()
	pods := slices.Clone(sorted)
	rng.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	asked := int64(0)
	for _, p := range pods {
		asked += int64(p.GPUs) * p.GPUMilli
	}
	most := gpusOf(c) * 13 / 10
	if asked <= most {
		for {
			p := sorted[rng.Intn(len(sorted))]
			if asked+p.GPUMilli > most {
				break
			}
			asked += int64(p.GPUs) * p.GPUMilli
			p.Name += "~" + strconv.Itoa(len(pods))
			pods = append(pods, p)
		}
	}
	for asked > most {
		i := rng.Intn(len(pods))
		asked -= int64(pods[i].GPUs) * pods[i].GPUMilli
		pods = slices.Delete(pods, i, i+1)
	}
	return pods
}

// load of the experiment at which is looked.
var loads = []int64{100, 130}

// allocatedAt returns how much of the GPUs is allocated at the loads, in percent: the mean over the arrivals at which as much has been
// asked for, rounded to a percent.
func allocatedAt(t *testing.T, c *trace.Cell, by placement.Strategy, seed int64) (at [2]float64) {
	pods := arrivals(c, seed)
	state, err := scheduler.NewState(scheduler.StateConfig{}, c.Nodes...)
	require.NoError(t, err)
	s, err := scheduler.New(state, scheduler.Config{Strategy: by, Seed: uint64(seed)})
	require.NoError(t, err)
	capacity, asked, used := gpusOf(c), int64(0), int64(0)
	var sums, n [2]int64
	tasks := (&trace.Cell{Nodes: c.Nodes, Pods: pods}).Tasks()
	for i, p := range pods {
		out, err := s.Schedule(t.Context(), tasks[i])
		require.NoError(t, err)
		gpu := int64(p.GPUs) * p.GPUMilli
		if asked += gpu; len(out.Placed) > 0 {
			used += gpu
		}
		if k := slices.Index(loads, (asked*100+capacity/2)/capacity); k >= 0 {
			sums[k], n[k] = sums[k]+used, n[k]+1
		}
	}
	for k := range at {
		at[k] = 100 * float64(sums[k]) / float64(max(n[k], 1)) / float64(capacity)
	}
	return at
}

var (
	experimentLists = flag.String("experiment.lists", "default", "pod lists of the published experiment, by the names within openb_pod_list_*.csv, joined by commas")
	experimentSeeds = flag.Int("experiment.seeds", 1, "how many seeds of the published experiment, from 42 on")
)

// The published experiment (tasks arrive in random order and none departs) has the published outcome for FGD, given the mix of all tasks, and a better one
// for the policies of this library, which learn the mix. The means of ten published seeds on the default list are 95.23 and 95.39 % at 100 and 130 % of
// the GPUs asked for. The whole table:
//
//	go test ./examples/openb -run PublishedExperiment -v -timeout 2h -experiment.seeds 10 -experiment.lists default,cpu050,cpu250,gpushare100,gpuspec33,multigpu40
func TestPublishedExperiment(t *testing.T) {
	needData(t)
	for list := range strings.SplitSeq(*experimentLists, ",") {
		c := load(t, "openb_pod_list_"+list+".csv", 0)
		means := map[string][2]float64{}
		policies := map[string]placement.Strategy{
			"fgd": placement.FGD(placement.NewMix(c.Tasks()...)), "priced-gaps": placement.PricedGaps(placement.Mix{}),
		}
		if *experimentSeeds > 1 {
			policies["room-loss"], policies["first-fit"] = placement.RoomLoss(placement.Mix{}), placement.Best()
			policies["binpack"] = placement.BinPack("cpu", trace.GPU)
		}
		for name, by := range policies {
			var mean [2]float64
			for seed := range *experimentSeeds {
				at := allocatedAt(t, c, by, int64(42+seed))
				for k := range at {
					mean[k] += at[k] / float64(*experimentSeeds)
				}
			}
			means[name] = mean
			t.Logf("%-12s %-12s %.2f %.2f", list, name, mean[0], mean[1])
		}
		for k := range loads {
			assert.Greater(t, means["priced-gaps"][k], means["fgd"][k], "%s at %d %%", list, loads[k])
			if *experimentSeeds > 1 {
				assert.Greater(t, means["priced-gaps"][k], means["room-loss"][k], "%s at %d %%", list, loads[k])
			}
		}
		if list == "default" {
			for k, published := range []float64{95.23, 95.39} {
				assert.InDelta(t, published, means["fgd"][k], 0.25, "the published mean, and thrice what seeds differ by")
			}
			for k, least := range []float64{96.2, 96.3} {
				assert.GreaterOrEqual(t, means["priced-gaps"][k], least, "at %d %%", loads[k])
			}
		}
	}
}

// The outcome of a strategy that is named on the command line holds up against the independent check, and its tasks were placed in the order of the list.
func TestStrategyOfTheCommandLine(t *testing.T) {
	needData(t)
	out := filepath.Join(t.TempDir(), "out.csv")
	for _, text := range []string{"first-fit", "priced-gaps"} {
		var b bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"-data", data, "-mode", "global", "-strategy", text, "-o", out}, &b))
		pods, err := os.Open(filepath.Join(data, trace.PodList))
		require.NoError(t, err)
		defer pods.Close()
		nodes, err := os.Open(filepath.Join(data, trace.NodeList))
		require.NoError(t, err)
		defer nodes.Close()
		outcome, err := os.Open(out)
		require.NoError(t, err)
		defer outcome.Close()
		placed, wrong, err := check.Assignments(nodes, pods, outcome)
		require.NoError(t, err)
		assert.Empty(t, wrong)
		assert.Contains(t, b.String(), fmt.Sprintf("global: %d of 8152 tasks placed", placed["global"]))
	}
}
