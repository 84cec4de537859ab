package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/berth-sched/berth"
)

// destination is the file of -o. It is opened before anything is scheduled, so that nothing is scheduled in
// vain, and emptied only when there is something to write: a run that fails leaves what was there. The zero
// destination is none.
type destination struct {
	file    *os.File
	fresh   bool // it was made by this run
	written bool
}

func create(path string) (*destination, error) {
	d := &destination{}
	if path == "" {
		return d, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	d.fresh = err == nil
	if errors.Is(err, fs.ErrExist) {
		file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	}
	if err != nil {
		return d, fmt.Errorf("-o: %w", err)
	}
	d.file = file
	return d, nil
}

func (d *destination) write(results []*result) error {
	if d.file == nil {
		return nil
	}
	d.written = true
	info, err := d.file.Stat()
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() { // a pipe or a device has nothing to be emptied of
		if err := d.file.Truncate(0); err != nil {
			return err
		}
	}
	return assignments(d.file, results)
}

func (d *destination) close() error {
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	if d.fresh && !d.written {
		err = errors.Join(err, os.Remove(d.file.Name()))
	}
	return err
}

// assignments writes where every task is as CSV, devices as "index:milli" joined by "|".
func assignments(w io.Writer, results []*result) error {
	lines := csv.NewWriter(w) // it keeps its first error
	lines.Write([]string{"mode", "task", "node", "devices"})
	for _, r := range results {
		for _, op := range r.placed {
			lines.Write([]string{r.mode, op.Task.ID, op.Node, devices(op.Grant)})
		}
	}
	lines.Flush()
	return lines.Error()
}

func devices(g *berth.Grant) string {
	if g == nil {
		return ""
	}
	shares := make([]string, len(g.Devices))
	for i, d := range g.Devices {
		shares[i] = fmt.Sprintf("%s:%d", d.ID, d.Units)
	}
	return strings.Join(shares, "|")
}
