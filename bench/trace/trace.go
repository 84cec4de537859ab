// Package trace reads the node and pod lists of the GPU cluster trace that was published with Weng et
// al., "Beware of Fragmentation", USENIX ATC 2023 ("openb"): one CSV file each, with a header line.
//
// A reader reports the faults of a file together, each with its file, line and column, up to
// [MaxFaults] of them. Columns it does not know are ignored. A record is one line, and the last one ends with
// a line break like the others: without it nobody could tell a file from one that was cut within its last
// column.
//
// A [Cell] is read from those files or, without them, made after the machine table of a cell of Google's.
package trace

import (
	"io"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
)

// GPU is the device class of the trace's GPUs.
const GPU = "gpu"

// NoQoS is the QoS of pods in lists that have no such column, and of pods that name none.
const NoQoS = "none"

// maxGPUs is far above what a machine can have and far below what could exhaust memory.
const maxGPUs = 1024

const mebibyte = 1 << 20

// Pod is one task of a list.
type Pod struct {
	Name string
	QoS  string
	Shape
}

// Shape is what a pod asks for. Pods of one shape and QoS are alike to a scheduler. Shapes compare with ==.
type Shape struct {
	CPU      int64 // thousandths of a core
	Memory   int64 // bytes
	GPUs     int
	GPUMilli int64  // of each GPU; 1000 if GPUs is more than 1
	Models   string // those allowed, joined by "|"; empty is any
}

// Spec returns the shape in berth's words, with the role that is charged for it.
func (s Shape) Spec(role berth.Role) berth.GroupSpec {
	spec := berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": s.CPU, "memory": s.Memory}}
	if s.GPUs == 0 {
		return spec
	}
	d := berth.DeviceRequest{Class: GPU}
	if s.GPUMilli < berth.DeviceUnits {
		d.Share = s.GPUMilli
	} else {
		d.Count = s.GPUs
	}
	if s.Models != "" {
		d.Models = strings.Split(s.Models, "|")
	}
	spec.Devices = []berth.DeviceRequest{d}
	return spec
}

// ReadNodes reads a node list with the columns sn, cpu_milli, memory_mib, gpu and model. The GPU model
// is also the node's attribute "model", where it has one. The file's name is for the errors.
func ReadNodes(file string, r io.Reader) ([]berth.Node, error) {
	t := newTable(file, r, []string{"sn", "cpu_milli", "memory_mib", "gpu", "model"}, nil)
	var nodes []berth.Node
	for t.next() {
		n := berth.Node{
			ID: t.name("sn"),
			Capacity: berth.Resources{
				"cpu":    t.quantity("cpu_milli", 1),
				"memory": t.quantity("memory_mib", mebibyte),
			},
		}
		model := t.text("model")
		gpus, _ := t.number("gpu", maxGPUs)
		if gpus > 0 && model == "" {
			t.fault("model", "empty on a node with GPUs")
		}
		nodes = append(nodes, withGPUs(n, gpus, model))
	}
	if err := t.err(); err != nil {
		return nil, err
	}
	return nodes, nil
}

// withGPUs returns a node with so many GPUs of a model, which is an attribute too.
func withGPUs(n berth.Node, gpus int64, model string) berth.Node {
	if gpus > 0 {
		n.Attributes = berth.Attributes{"model": model}
	}
	for range gpus {
		n.Devices = append(n.Devices, berth.Device{Class: GPU, Model: model})
	}
	return n
}

// ReadPods reads a pod list with the columns name, cpu_milli, memory_mib, num_gpu and gpu_milli and, if
// the list has them, gpu_spec and qos. The file's name is for the errors.
func ReadPods(file string, r io.Reader) ([]Pod, error) {
	t := newTable(file, r, []string{"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"}, []string{"gpu_spec", "qos"})
	var pods []Pod
	for t.next() {
		p := Pod{
			Name: t.name("name"),
			QoS:  NoQoS,
			Shape: Shape{
				CPU:    t.quantity("cpu_milli", 1),
				Memory: t.quantity("memory_mib", mebibyte),
				Models: t.text("gpu_spec"),
			},
		}
		sound := t.count()
		gpus, _ := t.number("num_gpu", maxGPUs)
		p.GPUMilli, _ = t.number("gpu_milli", berth.DeviceUnits)
		p.GPUs = int(gpus)
		if t.count() == sound { // one fault is enough
			t.checkGPUs(&p.Shape)
		}
		if q := t.text("qos"); q != "" {
			p.QoS = q
			if berth.Role(q).Err() != nil {
				t.fault("qos", "cannot name a role")
			}
		}
		pods = append(pods, p)
	}
	if err := t.err(); err != nil {
		return nil, err
	}
	return pods, nil
}

// checkGPUs notes what is wrong with what the present line asks of GPUs, where its numbers are numbers.
func (t *table) checkGPUs(s *Shape) {
	switch {
	case s.GPUs == 0 && s.GPUMilli > 0:
		t.fault("gpu_milli", "set, but num_gpu is 0")
	case s.GPUs > 0 && s.GPUMilli == 0:
		t.fault("gpu_milli", "0, but num_gpu is not")
	case s.GPUs > 1 && s.GPUMilli < berth.DeviceUnits:
		t.fault("gpu_milli", "a share of a GPU, but num_gpu is more than 1")
	}
	switch {
	case s.Models == "":
	case s.GPUs == 0:
		t.fault("gpu_spec", "set, but num_gpu is 0")
	case slices.Contains(strings.Split(s.Models, "|"), ""):
		t.fault("gpu_spec", "an empty model")
	}
}
