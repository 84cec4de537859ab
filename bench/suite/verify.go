package suite

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/internal/command"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// expectedFile has the published curves: of each list, policy and seed, what is allocated at each percent that has arrived.
const expectedFile = "analysis_allo_discrete.csv"

// exactWithin is how far a curve may be from one that it is equal to, at any percent: the table is rounded to two decimals.
const exactWithin = 0.015

// meanWithin is how far the mean over seeds may be from the published one, at the percents that are told.
const meanWithin = 0.2

// Verdict of a policy on a list.
type finding struct {
	list, policy string
	seeds, equal int
	ours, theirs [2]float64 // at 100 and 130 %
	worst        float64    // the farthest that a curve is from its published one
	published    bool
	ok           bool
}

var toldAt = [2]int{100, 130}

// verifyCommand repeats an experiment that was published, and says whether it comes out as published.
func (s *Suite) verifyCommand(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == gpuPoliciesArg {
		return s.verifyGPUPolicies(ctx, args[1:], out)
	}
	if len(args) > 0 && args[0] == "atc23" {
		args = args[1:]
	} else if len(args) == 0 || !slices.Contains([]string{"-h", "-help", "--help"}, args[0]) {
		return errors.New("verify: which experiment? There are atc23: fragmentation gradient descent, USENIX ATC 2023, and " + gpuPoliciesArg + ": what the policies for GPUs are said to do")
	}
	flags := flag.NewFlagSet("bench verify atc23", flag.ContinueOnError)
	expected := flags.String("expected", "", "`folder` with "+expectedFile+"; the default is that of -data, or fgd-atc23-expected beside it")
	of, err := openbFlags(flags, args, out, "")
	if err != nil {
		return err
	}
	published, err := readExpected(of.data, *expected)
	if err != nil {
		return err
	}
	return verify(ctx, out, of.data, of.lists, of.seeds, published)
}

// openbPart is which part of the openb trace an experiment is to run on.
type openbPart struct {
	data  string   // the folder
	lists []string // paths of pod lists
	seeds int
}

// openbFlags reads the flags of an experiment on the openb trace, to which it adds those that all such have. It fails with all that is wrong with
// them. More is what the text about seeds says besides.
func openbFlags(flags *flag.FlagSet, args []string, out io.Writer, more string) (*openbPart, error) {
	data := flags.String("data", "", "`folder` with the node list and pod lists of the trace")
	seeds := flags.Int("seeds", 10, "`number` of seeds, from 42 on: 1 to 10"+more)
	var only names
	flags.Var(&only, "list", "only these `lists`, such as default,cpu250")
	err := command.Parse(flags, args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil, err
	}
	faults := []error{err}
	if *seeds < 1 || *seeds > 10 {
		faults = append(faults, fmt.Errorf("-seeds %d: not within 1 to 10", *seeds))
	}
	if *data == "" {
		faults = append(faults, errors.New("verify: -data is needed, the folder with the trace"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	lists, err := openbFiles(*data, only)
	return &openbPart{*data, lists, *seeds}, err
}

func readExpected(data, folder string) (*expectedCurves, error) {
	var tried []string
	for _, dir := range []string{folder, data, filepath.Join(data, "..", "fgd-atc23-expected")} {
		if dir == "" {
			continue
		}
		path := filepath.Join(dir, expectedFile)
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) && folder == "" {
			tried = append(tried, path)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("-expected: %w", err)
		}
		defer file.Close()
		return parseExpected(path, file)
	}
	return nil, fmt.Errorf("verify: no published curves: neither %s", strings.Join(tried, " nor "))
}

func verify(ctx context.Context, out io.Writer, data string, lists []string, seeds int, published *expectedCurves) error {
	begin := time.Now()
	failed, compared, without := 0, 0, 0
	var head bytes.Buffer
	fmt.Fprintf(&head, "%-14s %-14s %11s %11s %11s %11s %8s %9s  %s\n", "list", "policy", "published", "ours", "published", "ours", "curves", "farthest", "")
	fmt.Fprintf(&head, "%-14s %-14s %11s %11s %11s %11s %8s %9s\n", "", "", "at 100 %", "at 100 %", "at 130 %", "at 130 %", "equal", "point")
	if _, err := out.Write(head.Bytes()); err != nil {
		return err
	}
	for _, list := range lists {
		c, err := trace.Load(data, list)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(list), ".csv")
		short := strings.TrimPrefix(name, "openb_pod_list_")
		for _, st := range studies() {
			f := finding{list: short, policy: st.name}
			var ours [2][]float64
			var theirs [2][]float64
			for seed := int64(FirstSeed); seed < int64(FirstSeed+seeds); seed++ {
				curve, err := inflate(ctx, c, st, seed)
				if err != nil {
					return fmt.Errorf("%s, %s, seed %d: %w", short, st.name, seed, err)
				}
				f.seeds++
				for i, x := range toldAt {
					if x < len(curve) {
						ours[i] = append(ours[i], curve[x])
					}
				}
				want, ok := published.curves[curveKey{name, st.published, seed}]
				if !ok {
					continue
				}
				f.published = true
				far := farthest(curve, want)
				f.worst = max(f.worst, far)
				if far <= exactWithin {
					f.equal++
				}
				for i, x := range toldAt {
					if x < len(want) {
						theirs[i] = append(theirs[i], want[x])
					}
				}
			}
			for i := range toldAt {
				f.ours[i], f.theirs[i] = mean(ours[i]), mean(theirs[i])
			}
			f.judge(st.exact && short == "default")
			switch {
			case !f.published:
				without++
			case f.ok:
				compared++
			default:
				compared, failed = compared+1, failed+1
			}
			if err := f.tell(out); err != nil {
				return err
			}
		}
	}
	var exact []string
	for _, st := range studies() {
		if st.exact {
			exact = append(exact, st.name)
		}
	}
	summary := fmt.Sprintf("verify atc23: %d of %d published figures come out as published: every curve of the list default for %s, else both means within %v; %d without a published curve; %v",
		compared-failed, compared, strings.Join(exact, ", "), meanWithin, without, time.Since(begin).Round(time.Second/10))
	if _, err := fmt.Fprintln(out, summary); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("verify: %d do not: %w", failed, errWorse)
	}
	return nil
}

// judge applies the rule of acceptance: every curve equal, where that is asked for, and else the means within meanWithin.
func (f *finding) judge(exact bool) {
	f.ok = f.published
	if exact {
		f.ok = f.ok && f.equal == f.seeds
		return
	}
	for i := range toldAt {
		f.ok = f.ok && math.Abs(f.ours[i]-f.theirs[i]) <= meanWithin
	}
}

func (f *finding) tell(out io.Writer) error {
	theirs := func(i int) string {
		if !f.published {
			return "-"
		}
		return fmt.Sprintf("%.2f", f.theirs[i])
	}
	equal, worst, verdict := "-", "-", "no published curve"
	if f.published {
		equal, worst = fmt.Sprintf("%d/%d", f.equal, f.seeds), fmt.Sprintf("%.3f", f.worst)
		verdict = map[bool]string{true: "as published", false: "NOT as published"}[f.ok]
	}
	_, err := fmt.Fprintf(out, "%-14s %-14s %11s %11.2f %11s %11.2f %8s %9s  %s\n", f.list, f.policy, theirs(0), f.ours[0], theirs(1), f.ours[1], equal, worst, verdict)
	return err
}

func farthest(a, b []float64) float64 {
	far := 0.0
	for x := range min(len(a), len(b)) {
		if !math.IsNaN(a[x]) && !math.IsNaN(b[x]) {
			far = max(far, math.Abs(a[x]-b[x]))
		}
	}
	return far
}

// inflate is the experiment: pods in an order drawn from the seed, copied or left out until they ask for 130 % of the GPUs, come one
// by one to nodes in an order drawn from the seed. It returns what is allocated, in % of the GPUs, at each percent that has arrived;
// NaN where no arrival was. The draws are those of the published program: ten are thrown away where its background threads drew.
func inflate(ctx context.Context, c *trace.Cell, st study, seed int64) ([]float64, error) {
	e, err := drawExperiment(c, seed)
	if err != nil {
		return nil, err
	}
	return inflated(ctx, e.nodes, e.pods, e.whole, st.strategy(e.byName))
}

// experiment is what is drawn for a seed.
type experiment struct {
	nodes  []berth.Node // whose IDs are in the order that equal ones are taken in
	pods   []trace.Pod  // as they arrive
	whole  int64        // what GPUs there are, in thousandths
	byName []trace.Pod  // the pods of the list
}

func drawExperiment(c *trace.Cell, seed int64) (e experiment, err error) {
	rng := rand.New(rand.NewSource(seed))
	byName := slices.Clone(c.Pods)
	slices.SortStableFunc(byName, func(a, b trace.Pod) int { return strings.Compare(a.Name, b.Name) })
	rng.Int()
	pods := slices.Clone(byName)
	rng.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	whole, asked := int64(0), int64(0)
	for i := range c.Nodes {
		whole += capacity(&c.Nodes[i])[trace.GPU]
	}
	asks := func(p trace.Pod) int64 { return int64(p.GPUs) * p.GPUMilli }
	for _, p := range pods {
		asked += asks(p)
	}
	if whole == 0 || asked == 0 {
		return e, errors.New("no GPUs, or nobody who asks for one")
	}
	limit := float64(whole) * 1.3
	if float64(asked) < limit { // the last copy may ask for several GPUs and pass the limit: one of them is what is counted
		for n := 0; ; n++ {
			p := byName[rng.Intn(len(byName))]
			if float64(asked+p.GPUMilli) > limit {
				break
			}
			asked += asks(p)
			p.Name = fmt.Sprintf("%s-copy-%d", p.Name, n)
			pods = append(pods, p)
		}
	} else {
		for float64(asked) > limit && len(pods) > 0 {
			i := rng.Intn(len(pods))
			asked -= asks(pods[i])
			pods = slices.Delete(pods, i, i+1)
		}
	}
	for range 10 {
		rng.Int63()
	}
	nodes := slices.Clone(c.Nodes)
	slices.SortFunc(nodes, func(a, b berth.Node) int { return strings.Compare(a.ID, b.ID) })
	for i, rank := range rng.Perm(len(nodes)) {
		nodes[i].ID = fmt.Sprintf("%06d-%s", rank, nodes[i].ID)
	}
	return experiment{nodes: nodes, pods: pods, whole: whole, byName: byName}, nil
}

func inflated(ctx context.Context, nodes []berth.Node, pods []trace.Pod, whole int64, strategy placement.Strategy) ([]float64, error) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
	if err != nil {
		return nil, err
	}
	s, err := scheduler.New(state, scheduler.Config{Strategy: strategy})
	if err != nil {
		return nil, err
	}
	tasks := (&trace.Cell{Pods: pods}).Tasks()
	out, err := s.Schedule(ctx, tasks...)
	if err != nil {
		return nil, err
	}
	rejected := unplaced(out)
	l := load{whole: whole}
	for i, p := range pods {
		l.add(int64(p.GPUs)*p.GPUMilli, !rejected[tasks[i].ID])
	}
	curve := make([]float64, len(l.counts))
	for x, n := range l.counts {
		if curve[x] = math.NaN(); n > 0 {
			curve[x] = l.sums[x] / float64(n)
		}
	}
	return curve, nil
}
