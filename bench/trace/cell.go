package trace

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// Cell is a cluster and what wants to run on it, in the order it arrives.
type Cell struct {
	Name  string
	Nodes []berth.Node
	Pods  []Pod
}

const (
	// NodeList is the file of the nodes with GPUs.
	NodeList = "openb_node_list_gpu_node.csv"
	// PodList is the file of the pods that the variants were made of.
	PodList = "openb_pod_list_default.csv"
)

// Load reads the nodes with GPUs and a list of pods, which is a file within dir or a path.
func Load(dir, pods string) (*Cell, error) {
	if within := filepath.Join(dir, pods); exists(within) || !exists(pods) {
		pods = within // where neither is, the error names the one within dir
	}
	c := &Cell{Name: filepath.Base(pods)}
	var nodeErr, podErr error
	nodes := filepath.Join(dir, NodeList)
	if c.Nodes, nodeErr = read(nodes, ReadNodes); nodeErr == nil && len(c.Nodes) == 0 {
		nodeErr = fmt.Errorf("%s: no nodes in it", nodes)
	}
	c.Pods, podErr = read(pods, ReadPods)
	if err := errors.Join(nodeErr, podErr); err != nil {
		return nil, err
	}
	return c, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func read[T any](path string, parse func(string, io.Reader) ([]T, error)) ([]T, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return parse(path, file)
}

// machines are those of the cell that Google published traces of in 2011, by what they have of the
// largest one's CPU and memory (Reiss et al., "Heterogeneity and Dynamicity of Clouds at Scale", SoCC
// 2012). What the largest one had was not published; here it has 32 cores and 128 GiB.
var machines = []struct {
	count       int
	cpu, memory percent // of the largest machine
}{
	{6732, 50, 50}, {3863, 50, 25}, {1001, 50, 75}, {795, 100, 100}, {126, 25, 25},
	{52, 50, 12}, {5, 50, 3}, {5, 50, 97}, {3, 100, 50}, {1, 50, 6},
}

type percent int64

func (p percent) of(whole int64) int64 { return whole * int64(p) / 100 }

// Machines is how many machines the cell of [Google] has.
const Machines = 12_583

// Google returns machines drawn from that table, all of them at most, with tasks drawn from seed. The
// tasks of the published trace are normalised and its files are large, so these are made up: jobs of 50
// alike, small ones likelier (each size half as likely as the next smaller, from a quarter of a core to 8 and
// from half a GiB to 32), of three bands as the trace has them.
func Google(count, tasks int, seed uint64) *Cell {
	const cores, memory = 32_000, 128 << 30
	rng := rand.New(rand.NewPCG(seed, 1))
	c := &Cell{Name: "machines of 2011"}
	for _, m := range machines {
		for range m.count {
			c.Nodes = append(c.Nodes, berth.Node{Capacity: berth.Resources{"cpu": m.cpu.of(cores), "memory": m.memory.of(memory)}})
		}
	}
	rng.Shuffle(len(c.Nodes), func(i, j int) { c.Nodes[i], c.Nodes[j] = c.Nodes[j], c.Nodes[i] })
	c.Nodes = c.Nodes[:min(max(count, 0), len(c.Nodes))]
	for i := range c.Nodes {
		c.Nodes[i].ID = fmt.Sprintf("machine-%05d", i)
	}
	halving := func(sizes int) int { // 0 with probability 1/2, 1 with 1/4, ...
		k := 0
		for k < sizes-1 && rng.IntN(2) == 0 {
			k++
		}
		return k
	}
	bands := []string{"production", "batch", "free"}
	for len(c.Pods) < tasks {
		band := bands[halving(len(bands))]
		shape := Shape{CPU: 250 << halving(6), Memory: 512 << 20 << halving(7)}
		for range min(50, tasks-len(c.Pods)) {
			c.Pods = append(c.Pods, Pod{Name: fmt.Sprintf("task-%06d", len(c.Pods)), QoS: band, Shape: shape})
		}
	}
	return c
}

// Scarce names the resource by which a cell's load is told: GPUs, where there are any.
func (c *Cell) Scarce() string {
	if slices.ContainsFunc(c.Nodes, func(n berth.Node) bool { return len(n.Devices) > 0 }) {
		return GPU
	}
	return "cpu"
}

// Asks returns how much of a resource all pods ask for together.
func (c *Cell) Asks(resource string) int64 {
	var sum int64
	for _, p := range c.Pods {
		sum += p.amount(resource)
	}
	return sum
}

func (s Shape) amount(resource string) int64 {
	if resource == GPU {
		return int64(s.GPUs) * s.GPUMilli
	}
	return s.CPU
}

// Inflate makes the pods ask for a fraction of the cell's scarce resource, given in thousandths: it
// appends copies of pods drawn from seed until the next would ask for more, or, if they ask for more
// as they are, takes pods away. The first copy of pod x is x~1, or the next of that form that is not taken.
func (c *Cell) Inflate(thousandths int64, seed uint64) error {
	snapshot, err := cluster.NewSnapshot(c.Nodes...)
	if err != nil {
		return err
	}
	resource := c.Scarce()
	whole := snapshot.Total()[resource]
	if thousandths < 0 || thousandths > 0 && whole/1000 > math.MaxInt64/thousandths {
		return fmt.Errorf("%s: cannot count %d thousandths of the %s", c.Name, thousandths, resource)
	}
	target := whole / 1000 * thousandths
	sum := c.Asks(resource)
	if sum == 0 {
		return fmt.Errorf("%s: no pod asks for any %s", c.Name, resource)
	}
	if target == 0 {
		return fmt.Errorf("%s: there is not enough %s to ask for %d thousandths of it", c.Name, resource, thousandths)
	}
	taken := make(map[string]bool, len(c.Pods))
	for _, p := range c.Pods {
		taken[p.Name] = true
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	originals := len(c.Pods)
	copies := make([]int, originals)
	for sum <= target {
		i := rng.IntN(originals)
		p := c.Pods[i]
		if p.amount(resource) > target-sum {
			return nil
		}
		sum += p.amount(resource)
		name := p.Name
		for taken[p.Name] {
			copies[i]++
			p.Name = fmt.Sprintf("%s~%d", name, copies[i])
		}
		taken[p.Name] = true
		c.Pods = append(c.Pods, p)
	}
	for sum > target {
		i := rng.IntN(len(c.Pods))
		sum -= c.Pods[i].amount(resource)
		c.Pods = slices.Delete(c.Pods, i, i+1)
	}
	return nil
}

// Tasks returns the pods in berth's words. Those of one shape and QoS share a group, so that berth
// works out once what they need; the QoS is the role that is charged.
func (c *Cell) Tasks() []berth.Task {
	type kind struct {
		qos string
		Shape
	}
	groups := map[kind]*berth.Group{}
	tasks := make([]berth.Task, 0, len(c.Pods))
	for _, p := range c.Pods {
		k := kind{p.QoS, p.Shape}
		g := groups[k]
		if g == nil {
			g = berth.NewGroup(fmt.Sprintf("%s-shape-%d", p.QoS, len(groups)+1), p.Spec(berth.Role(p.QoS)))
			groups[k] = g
		}
		tasks = append(tasks, g.Task(p.Name))
	}
	return tasks
}
