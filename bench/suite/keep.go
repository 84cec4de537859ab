package suite

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// partialFile is where the cases of a run that is under way are kept, in the folder of -o.
const partialFile = "partial.jsonl"

// keeper keeps each case as soon as it is done, so that a run that is broken off can go on. The first line of its file says which
// run it is, and each of the others is a case.
type keeper struct {
	file  *os.File
	known map[Key]kept
}

// header says which run it is. One goes on only as what it was.
type header struct {
	Schema  int     `json:"schema"`
	Berth   Build   `json:"berth"`
	Machine Machine `json:"machine"`
	Config  string  `json:"config"`
}

type kept struct {
	Result Result  `json:"result"`
	Timing *Timing `json:"timing,omitempty"`
}

func headerOf(c Config) header {
	c = c.sized()
	return header{Schema, buildOf(), machineOf(), fmt.Sprintf("%v, %d nodes, %d seeds, data %q, scenarios %q, policies %q", c.Tier, c.Nodes, c.Seeds, c.Data, c.Scenarios, c.Policies)}
}

// openKeeper begins a run in a folder, or goes on with the one that is there.
func openKeeper(dir string, c Config, resume bool) (*keeper, error) {
	path := filepath.Join(dir, partialFile)
	k := &keeper{known: map[Key]kept{}}
	whole := 0
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && resume:
		return nil, fmt.Errorf("-resume: no run to go on with: %w", err)
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !resume:
		return nil, fmt.Errorf("-o %s: a run that was broken off is there: -resume goes on with it; to begin anew remove %s", dir, path)
	default:
		if whole, err = k.read(path, text, headerOf(c)); err != nil {
			return nil, err
		}
		if err := os.Truncate(path, int64(whole)); err != nil { // what was cut off within a line is run again
			return nil, err
		}
	}
	k.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	if whole == 0 {
		if err := k.line(headerOf(c)); err != nil {
			return nil, errors.Join(err, k.file.Close())
		}
	}
	return k, nil
}

// read takes the cases of an earlier run, and returns how many bytes of it are whole lines.
func (k *keeper) read(path string, text []byte, want header) (int, error) {
	in := bufio.NewReader(bytes.NewReader(text))
	whole := 0
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return whole, nil
		}
		if n == 1 {
			var h header
			if err := json.Unmarshal(line, &h); err != nil {
				return 0, fmt.Errorf("%s:1: %w", path, err)
			}
			if h != want {
				return 0, fmt.Errorf("-resume: %s is of another run: %s by %+v, and this is %s by %+v", path, h.Config, h.Berth, want.Config, want.Berth)
			}
		} else {
			var c kept
			if err := json.Unmarshal(line, &c); err != nil {
				return 0, fmt.Errorf("%s:%d: %w", path, n, err)
			}
			k.known[c.Result.Key] = c
		}
		whole += len(line)
	}
}

func (k *keeper) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = k.file.Write(append(text, '\n'))
	return err
}

func (k *keeper) have(key Key) (*Result, *Timing, bool) {
	c, ok := k.known[key]
	return &c.Result, c.Timing, ok
}

func (k *keeper) done(p Progress) error {
	if p.Known {
		return nil
	}
	return k.line(kept{*p.Result, p.Timing})
}

// close ends the keeping. The file goes once the whole document has been written.
func (k *keeper) close(complete bool) error {
	err := k.file.Close()
	if complete {
		err = errors.Join(err, os.Remove(k.file.Name()))
	}
	return err
}

// writeAll writes a document into a folder, in the named formats or all. Each file is written beside the old one and then
// put in its place, so that what was there is there until the new one is whole.
func writeAll(dir string, d *Document, names []string) error {
	var faults []error
	for _, f := range formats {
		if len(names) > 0 && !slices.Contains(names, f.name) {
			continue
		}
		faults = append(faults, writeFile(filepath.Join(dir, f.file), func(w io.Writer) error { return f.write(d, w) }))
	}
	return errors.Join(faults...)
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(file.Name()))
	}
	return err
}

// usable makes sure of a folder before anything is run in vain: it is made if it is not there, and a file can be written in it.
func usable(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	file, err := os.CreateTemp(dir, "writable.*")
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}
