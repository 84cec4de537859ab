package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// VM is a virtual machine that arrived, in the processed form of Azure's public trace of 2017 (Cortez et al., "Resource Central",
// SOSP 2017) that Huawei published with a model of such arrivals.
type VM struct {
	At     int64 // seconds since the beginning of the trace
	Batch  int   // those that one tenant asked for at once have one number, from 0 on
	CPU    int64 // thousandths of a core
	Memory int64 // bytes
	Life   int64 // seconds, the middle of the published bin; of one that ran to the end of the trace, how long at least
	Open   bool  // it ran to the end of the trace
}

// Azure is such a trace: an arrival file, its file of durations, and the maps that say what their letters and numbers mean.
type Azure struct {
	Files []string // that were read
	VMs   []VM
}

// FindAzure returns the arrival files in a folder, those of the form v1.*.txt that have a file of durations beside them, v1.*.c*.txt.
func FindAzure(dir string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(dir, "v1.*.txt"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	var found []string
	for _, path := range all {
		if _, err := durationsOf(path); err == nil {
			found = append(found, path)
		}
	}
	return found, nil
}

func durationsOf(arrivals string) (string, error) {
	beside, err := filepath.Glob(strings.TrimSuffix(arrivals, ".txt") + ".c*.txt")
	if err != nil || len(beside) != 1 {
		return "", fmt.Errorf("%s: %d files of durations beside it, and not one", arrivals, len(beside))
	}
	return beside[0], nil
}

// LoadAzure reads an arrival file and what belongs to it, all from the folder that it is in: the durations, flav_map.txt (a line
// "cores,GB letter" for each kind of machine) and v1.interval_map.txt (a line "seconds bin" for each 300 seconds).
func LoadAzure(arrivals string) (*Azure, error) {
	durations, err := durationsOf(arrivals)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(arrivals)
	kinds, bins := filepath.Join(dir, "flav_map.txt"), filepath.Join(dir, "v1.interval_map.txt")
	a := &Azure{Files: []string{arrivals, durations, kinds, bins}}
	var files []io.Reader
	for _, path := range a.Files {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		files = append(files, file)
	}
	flavours, err1 := readFlavours(kinds, files[2])
	lives, err2 := readIntervals(bins, files[3])
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	a.VMs, err = ReadVMs(arrivals, files[0], durations, files[1], flavours, lives)
	return a, err
}

type flavour struct{ cpu, memory int64 }

// words yields the words of each line that is not empty, and its number.
func words(name string, r io.Reader, do func(line int, words []string) error) error {
	var faults []error
	in := bufio.NewReader(r)
	for n := 1; len(faults) < MaxFaults; n++ {
		text, err := in.ReadString('\n')
		if err != nil && err != io.EOF {
			return errors.Join(append(faults, fmt.Errorf("%s: %w", name, err))...)
		}
		if w := strings.Fields(text); len(w) > 0 {
			if fault := do(n, w); fault != nil {
				faults = append(faults, fmt.Errorf("%s:%d: %w", name, n, fault))
			}
		}
		if err == io.EOF {
			break
		}
	}
	return errors.Join(faults...)
}

func readFlavours(name string, r io.Reader) (map[string]flavour, error) {
	all := map[string]flavour{}
	err := words(name, r, func(_ int, w []string) error {
		cores, gb, ok := strings.Cut(w[0], ",")
		c, err1 := strconv.ParseFloat(cores, 64)
		m, err2 := strconv.ParseFloat(gb, 64)
		if len(w) != 2 || !ok || err1 != nil || err2 != nil || !(c > 0 && c <= 1024) || !(m > 0 && m <= 1<<20) {
			return fmt.Errorf("%q is not of the form CORES,GB LETTER", strings.Join(w, " "))
		}
		if _, twice := all[w[1]]; twice {
			return fmt.Errorf("%q is there twice", w[1])
		}
		all[w[1]] = flavour{int64(math.Round(c * 1000)), int64(math.Round(m * (1 << 30)))}
		return nil
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s: nothing in it", name)
	}
	return all, err
}

// readIntervals returns the middle of each bin of durations in seconds; of the last one, which has no end, its beginning.
func readIntervals(name string, r io.Reader) ([]int64, error) {
	var first, last []int64
	err := words(name, r, func(_ int, w []string) error {
		if len(w) != 2 {
			return fmt.Errorf("%q is not of the form SECONDS BIN", strings.Join(w, " "))
		}
		seconds, err1 := strconv.ParseInt(w[0], 10, 32)
		bin, err2 := strconv.ParseInt(w[1], 10, 32)
		n := int64(len(first))
		switch {
		case err1 != nil || err2 != nil || seconds < 0:
			return fmt.Errorf("%q is not of the form SECONDS BIN", strings.Join(w, " "))
		case bin == n:
			first, last = append(first, seconds), append(last, seconds)
		case n > 0 && bin == n-1 && seconds > last[n-1]:
			last[n-1] = seconds
		default:
			return fmt.Errorf("bin %d after bin %d: seconds and bins count up", bin, n-1)
		}
		return nil
	})
	if err == nil && len(first) == 0 {
		err = fmt.Errorf("%s: nothing in it", name)
	}
	middle := make([]int64, len(first))
	for i := range first {
		if middle[i] = (first[i] + last[i]) / 2; i == len(first)-1 {
			middle[i] = first[i]
		}
	}
	return middle, err
}

// ReadVMs reads an arrival file and its durations, which align line by line and word by word. A line is the second and a list with
// commas: letters of kinds, or U and C with the number of a bin (C ran to the end), and | behind each batch. The names are for the errors.
func ReadVMs(arrivals string, a io.Reader, durations string, d io.Reader, flavours map[string]flavour, lives []int64) ([]VM, error) {
	var lines [][]string
	if err := words(durations, d, func(_ int, w []string) error { lines = append(lines, w); return nil }); err != nil {
		return nil, err
	}
	var vms []VM
	batch, row, before := 0, 0, int64(-1)
	err := words(arrivals, a, func(_ int, w []string) error {
		if row >= len(lines) {
			return fmt.Errorf("%s has no such line", durations)
		}
		with := lines[row]
		row++
		at, err := strconv.ParseInt(w[0], 10, 32)
		if err != nil || at < 0 || at <= before {
			return fmt.Errorf("second %q: not a whole number that is greater than the one before", w[0])
		}
		before = at
		if len(w) > 2 || len(with) != len(w) || with[0] != w[0] {
			return fmt.Errorf("second %s: %s has another number of words or another second on this line", w[0], durations)
		}
		if len(w) == 1 {
			return nil // nothing arrived
		}
		kinds, spans := strings.Split(strings.TrimSuffix(w[1], ","), ","), strings.Split(strings.TrimSuffix(with[1], ","), ",")
		if len(kinds) != len(spans) {
			return fmt.Errorf("second %s: %d arrivals, and %d in %s", w[0], len(kinds), len(spans), durations)
		}
		for i, kind := range kinds {
			if (kind == "|") != (spans[i] == "|") {
				return fmt.Errorf("second %s: word %d ends a batch in one of the two files", w[0], i+1)
			}
			if kind == "|" {
				batch++
				continue
			}
			f, ok := flavours[kind]
			if !ok {
				return fmt.Errorf("second %s: word %d: no kind %q", w[0], i+1, kind)
			}
			span := strings.TrimLeft(spans[i], "UC")
			bin, err := strconv.ParseInt(span, 10, 32)
			if err != nil || len(span) != len(spans[i])-1 || bin < 0 || bin >= int64(len(lives)) {
				return fmt.Errorf("second %s: word %d: no duration %q", w[0], i+1, spans[i])
			}
			vms = append(vms, VM{At: at, Batch: batch, CPU: f.cpu, Memory: f.memory, Life: lives[bin], Open: spans[i][0] == 'C'})
		}
		return nil
	})
	if err == nil && row < len(lines) {
		err = fmt.Errorf("%s: %d lines, and %s has %d: it is cut short", arrivals, row, durations, len(lines))
	}
	if err == nil && len(vms) == 0 {
		err = fmt.Errorf("%s: nothing in it", arrivals)
	}
	if err != nil {
		return nil, err
	}
	return vms, nil
}
