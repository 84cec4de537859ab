package trace

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
)

const (
	// OwnNodes is the file of the nodes of a cell in the format of this package, see [LoadOwn].
	OwnNodes = "berth_nodes.csv"
	// OwnTasks is the file of its tasks.
	OwnTasks = "berth_tasks.csv"
)

// Job is a task of a cell in the format of this package, see [LoadOwn].
type Job struct {
	Pod
	Others berth.Resources // what it asks for beside cores, memory and GPUs
	At     time.Duration   // when it arrives
	Lives  time.Duration   // from when it is placed; 0 is for ever
	Batch  int             // those that arrive together have one number; from 0 on
}

// Spec returns what the task asks for in berth's words, with its QoS as the role.
func (j *Job) Spec() berth.GroupSpec {
	spec := j.Pod.Spec(berth.Role(j.QoS))
	for name, q := range j.Others {
		spec.Request[name] = q
	}
	return spec
}

// OwnCell is a cell in the format of this package.
type OwnCell struct {
	Files []string
	Nodes []berth.Node
	Jobs  []Job // in the order of their arrival
}

// HasOwn reports whether a folder has a cell in the format of this package, or one of its files.
func HasOwn(dir string) bool {
	return exists(filepath.Join(dir, OwnNodes)) || exists(filepath.Join(dir, OwnTasks)) || exists(filepath.Join(dir, OwnJSON))
}

// LoadOwn reads a cell in the format of this package: two CSV files with a header line each, of which the columns may come in any order,
// and columns with other names are passed over.
//
//	berth_nodes.csv   id                    a name, each once
//	                  cpu_milli             thousandths of a core
//	                  memory_mib            MiB
//	                  gpu, model            optional: GPUs, 1024 at most, and their model
//	                  resource:NAME         optional: an amount of another resource, a whole number
//	                  attribute:NAME        optional: a text; an empty one is none
//	berth_tasks.csv   id                    a name, each once
//	                  cpu_milli, memory_mib what it asks for
//	                  num_gpu, gpu_milli    optional: GPUs, and thousandths of each; both are 0 or neither is
//	                  gpu_spec              optional: models that are allowed, with | between them
//	                  resource:NAME         optional: an amount of another resource
//	                  role                  optional: who is charged
//	                  at_s                  optional: seconds since the beginning, in rising order; the default is 0
//	                  lives_s               optional: seconds from when it is placed; 0 is for ever
//	                  batch                 optional: tasks with one text, line after line, are asked for together; without it each is one
//
// All amounts are whole numbers, from 0 on. In place of the two there may be one of JSON, berth_cell.json: see [ReadOwnJSON].
func LoadOwn(dir string) (*OwnCell, error) {
	if path := filepath.Join(dir, OwnJSON); exists(path) {
		for _, other := range []string{OwnNodes, OwnTasks} {
			if exists(filepath.Join(dir, other)) {
				return nil, fmt.Errorf("%s: %s is there as well, and a cell is one or the other", path, other)
			}
		}
		return loadJSON(path)
	}
	c := &OwnCell{Files: []string{filepath.Join(dir, OwnNodes), filepath.Join(dir, OwnTasks)}}
	var nodeErr, jobErr error
	if c.Nodes, nodeErr = read(c.Files[0], ReadOwnNodes); nodeErr == nil && len(c.Nodes) == 0 {
		nodeErr = fmt.Errorf("%s: no nodes in it", c.Files[0])
	}
	if c.Jobs, jobErr = read(c.Files[1], ReadOwnTasks); jobErr == nil && len(c.Jobs) == 0 {
		jobErr = fmt.Errorf("%s: no tasks in it", c.Files[1])
	}
	if err := errors.Join(nodeErr, jobErr); err != nil {
		return nil, err
	}
	return c, nil
}

// ReadOwnNodes reads the nodes of [LoadOwn]. The file's name is for the errors.
func ReadOwnNodes(file string, r io.Reader) ([]berth.Node, error) {
	return ownNodes(ownTable(csvOf(file, r), nodeMembers.optional(), resourceColumn, attributeColumn))
}

func ownNodes(t *table) ([]berth.Node, error) {
	var nodes []berth.Node
	for t.next() {
		n := berth.Node{ID: t.name("id"), Capacity: t.others()}
		n.Capacity["cpu"], n.Capacity["memory"] = t.quantity("cpu_milli", 1), t.quantity("memory_mib", mebibyte)
		gpus := t.optional("gpu", maxGPUs)
		model := t.text("model")
		for range gpus {
			n.Devices = append(n.Devices, berth.Device{Class: GPU, Model: model})
		}
		for _, name := range t.named {
			attribute, ok := strings.CutPrefix(name, attributeColumn)
			if value := t.text(name); ok && value != "" {
				if n.Attributes == nil {
					n.Attributes = berth.Attributes{}
				}
				n.Attributes[attribute] = value
			}
		}
		if err := n.Err(); err != nil && t.count() == 0 { // such as an attribute with a name of berth's own
			t.fault("id", err.Error())
		}
		nodes = append(nodes, n)
	}
	if err := t.err(); err != nil {
		return nil, err
	}
	return nodes, nil
}

// ReadOwnTasks reads the tasks of [LoadOwn]. The file's name is for the errors.
func ReadOwnTasks(file string, r io.Reader) ([]Job, error) {
	return ownTasks(ownTable(csvOf(file, r), taskMembers.optional(), resourceColumn))
}

func ownTasks(t *table) ([]Job, error) {
	var jobs []Job
	before, batch := "", -1
	for t.next() {
		sound := t.count()
		j := Job{Pod: Pod{Name: t.name("id"), QoS: t.text("role")}, Others: t.others()}
		j.CPU, j.Memory, j.Models = t.quantity("cpu_milli", 1), t.quantity("memory_mib", mebibyte), t.text("gpu_spec")
		j.GPUs, j.GPUMilli = int(t.optional("num_gpu", maxGPUs)), t.optional("gpu_milli", berth.DeviceUnits)
		j.At = time.Duration(t.optional("at_s", mostSeconds)) * time.Second
		j.Lives = time.Duration(t.optional("lives_s", mostSeconds)) * time.Second
		if j.QoS != "" && berth.Role(j.QoS).Err() != nil {
			t.fault("role", "cannot name a role")
		}
		if n := len(jobs); n > 0 && j.At < jobs[n-1].At {
			t.fault("at_s", "earlier than on the line before")
		}
		if text := t.text("batch"); batch < 0 || text == "" || text != before {
			before = text
			batch++
		}
		j.Batch = batch
		if t.count() == sound {
			t.checkGPUs(&j.Shape)
		}
		jobs = append(jobs, j)
	}
	if err := t.err(); err != nil {
		return nil, err
	}
	return jobs, nil
}

// mostSeconds is what time.Duration can tell, halved so that an arrival and a life can be added.
const mostSeconds = int64(math.MaxInt64 / 2 / time.Second)

const (
	resourceColumn  = "resource:"
	attributeColumn = "attribute:"
)

// others returns the amounts of the columns of other resources.
func (t *table) others() berth.Resources {
	amounts := berth.Resources{}
	for _, column := range t.named {
		if name, ok := strings.CutPrefix(column, resourceColumn); ok {
			amounts[name] = t.amount(column)
		}
	}
	return amounts
}

// amount returns a column's whole number as [table.quantity] does, 0 for an empty field.
func (t *table) amount(column string) int64 {
	if t.fields[t.column[column]].text == "" {
		return 0
	}
	return t.quantity(column, 1)
}

// ownTable reads a header of the format of this package, in which no column of another resource may be one that has a column of its own.
func ownTable(from *lines, optional []string, beginnings ...string) *table {
	t := tableOf(from, ownRequired, optional, beginnings...)
	for _, column := range t.named {
		if name, ok := strings.CutPrefix(column, resourceColumn); ok && slices.Contains([]string{"", "cpu", "memory", GPU}, name) {
			t.faultAt(t.column[column], column, "", "no name of another resource")
			t.dead = true
		}
	}
	return t
}
