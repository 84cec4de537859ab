package suite

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// Schema is the version of the document's form. It grows when a field changes its meaning or goes; fields may be added without.
const Schema = 1

// Document is all that a run found out.
type Document struct {
	Schema   int      `json:"schema"`
	Complete bool     `json:"complete"` // every case that was asked for is in it
	Berth    Build    `json:"berth"`
	Machine  Machine  `json:"machine"`
	Policies []About  `json:"policies,omitempty"` // and orders: those that were compared, in their order
	Quality  Quality  `json:"quality"`
	Timings  []Timing `json:"timings"`
}

// About says what a policy or an order is.
type About struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// Build says which berth it was.
type Build struct {
	Version  string `json:"version"`            // of the module; "(devel)" in a clone
	Commit   string `json:"commit,omitempty"`   // if the build knows it
	Modified bool   `json:"modified,omitempty"` // the commit's files had been changed
}

// Machine says what the timings were taken on.
type Machine struct {
	Go         string `json:"go"`
	Platform   string `json:"platform"`
	CPU        string `json:"cpu,omitempty"` // model, where the system tells it
	Cores      int    `json:"cores"`
	GOMAXPROCS int    `json:"gomaxprocs"`
}

// Quality is what does not depend on the machine.
type Quality struct {
	Tier    string   `json:"tier"`
	Nodes   int      `json:"nodes"` // of generated cells
	Seeds   []uint64 `json:"seeds"`
	Inputs  []Input  `json:"inputs"`
	Results []Result `json:"results"`
}

// Input is a file that was read.
type Input struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Key says which case a result is of.
type Key struct {
	Scenario string `json:"scenario"`
	Workload string `json:"workload"`
	Policy   string `json:"policy"` // or the order, where orders are compared
	Seed     uint64 `json:"seed"`
}

// Result is what came of one case.
type Result struct {
	Key
	Strategy string             `json:"strategy"` // as it prints, parameters and rule for ties included
	Nodes    int                `json:"nodes"`
	Tasks    int                `json:"tasks"`
	Metrics  map[string]float64 `json:"metrics"`
	Curves   map[string]Curve   `json:"curves,omitempty"`
	Heat     map[string][]int   `json:"heat,omitempty"` // by moment: the part in use of each node's scarce resource, in %, in the order of IDs
}

// Curve is a metric over something else: ys[i] at xs[i].
type Curve struct {
	X []float64 `json:"x"`
	Y []float64 `json:"y"`
}

// Timing is how fast one case was.
type Timing struct {
	Key
	Nodes   int                `json:"nodes"`
	Tasks   int                `json:"tasks"`
	Metrics map[string]float64 `json:"metrics"`
}

func buildOf() Build {
	b := Build{Version: "(unknown)"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	const module = "github.com/berth-sched/berth"
	if info.Main.Path == module {
		b.Version = info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == module {
			b.Version = d.Version
		}
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func machineOf() Machine {
	m := Machine{Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0)}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	return m
}

// InputOf returns a file's name, without its folder, and the hash of what is in it.
func InputOf(path string) (Input, error) {
	file, err := os.Open(path)
	if err != nil {
		return Input{}, err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return Input{}, fmt.Errorf("%s: %w", path, err)
	}
	return Input{filepath.Base(path), hex.EncodeToString(h.Sum(nil))}, nil
}

// WriteJSON writes the document, each result and each timing on a line of its own.
func (d *Document) WriteJSON(w io.Writer) error {
	out := bufio.NewWriter(w) // it keeps its first error
	var failed error
	member := func(name string, v any) {
		text, err := json.Marshal(v)
		failed = errors.Join(failed, err)
		fmt.Fprintf(out, "%q: %s", name, text)
	}
	list := func(name string, n int, v func(int) any) {
		fmt.Fprintf(out, "%q: [", name)
		for i := range n {
			text, err := json.Marshal(v(i))
			failed = errors.Join(failed, err)
			if i > 0 {
				out.WriteString(",")
			}
			fmt.Fprintf(out, "\n%s", text)
		}
		out.WriteString("\n]")
	}
	out.WriteString("{")
	member("schema", d.Schema)
	out.WriteString(",\n")
	member("complete", d.Complete)
	out.WriteString(",\n")
	member("berth", d.Berth)
	out.WriteString(",\n")
	member("machine", d.Machine)
	out.WriteString(",\n")
	list("policies", len(d.Policies), func(i int) any { return d.Policies[i] })
	out.WriteString(",\n\"quality\": {")
	member("tier", d.Quality.Tier)
	out.WriteString(",\n")
	member("nodes", d.Quality.Nodes)
	out.WriteString(",\n")
	member("seeds", d.Quality.Seeds)
	out.WriteString(",\n")
	list("inputs", len(d.Quality.Inputs), func(i int) any { return d.Quality.Inputs[i] })
	out.WriteString(",\n")
	list("results", len(d.Quality.Results), func(i int) any { return d.Quality.Results[i] })
	out.WriteString("},\n")
	list("timings", len(d.Timings), func(i int) any { return d.Timings[i] })
	out.WriteString("}\n")
	return errors.Join(failed, out.Flush())
}

// ReadJSON reads a document that WriteJSON wrote. The name is for the errors.
func ReadJSON(name string, r io.Reader) (*Document, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := &Document{}
	if err := json.Unmarshal(text, d); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%s:%d: %w", name, 1+bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n")), err)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if d.Schema != Schema {
		return nil, fmt.Errorf("%s: a document of schema %d; this program reads %d", name, d.Schema, Schema)
	}
	return d, nil
}

// addInputs adds files that are not there yet, and keeps them in the order of their names.
func (q *Quality) addInputs(inputs []Input) {
	for _, in := range inputs {
		if !slices.Contains(q.Inputs, in) {
			q.Inputs = append(q.Inputs, in)
		}
	}
	slices.SortFunc(q.Inputs, func(a, b Input) int {
		return strings.Compare(a.Name+a.SHA256, b.Name+b.SHA256)
	})
}
