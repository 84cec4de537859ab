package trace

import (
	"io"

	"github.com/berth-sched/berth"
)

// PAIMachines is the file of the machines of Alibaba's PAI trace.
const PAIMachines = "pai_machine_spec.csv"

// ReadPAI reads the machine table of Alibaba's PAI cluster trace of 2020 (Weng et al., "MLaaS in the Wild", NSDI 2022): the columns machine, gpu_type,
// cap_cpu in cores, cap_mem in GiB and cap_gpu. The GPU model is also the node's attribute "model", where it has GPUs. As published the table has no header:
// one is to be put before it. The file's name is for the errors.
func ReadPAI(file string, r io.Reader) ([]berth.Node, error) {
	t := newTable(file, r, []string{"machine", "gpu_type", "cap_cpu", "cap_mem", "cap_gpu"}, nil)
	var nodes []berth.Node
	for t.next() {
		n := berth.Node{ID: t.name("machine"), Capacity: berth.Resources{"cpu": t.quantity("cap_cpu", 1000), "memory": t.quantity("cap_mem", 1<<30)}}
		model := t.text("gpu_type")
		gpus, _ := t.number("cap_gpu", maxGPUs)
		if gpus > 0 && (model == "" || model == "CPU") {
			t.fault("gpu_type", "not the model of a machine with GPUs")
		}
		nodes = append(nodes, withGPUs(n, gpus, model))
	}
	if err := t.err(); err != nil {
		return nil, err
	}
	return nodes, nil
}

// LoadPAI reads the machine table from a file.
func LoadPAI(path string) ([]berth.Node, error) { return read(path, ReadPAI) }
