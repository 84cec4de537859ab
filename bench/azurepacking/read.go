package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"

	_ "modernc.org/sqlite" // the driver, in Go alone
)

// maxFaults is how many faults are told; the rest are counted.
const maxFaults = 20

// resources are the columns of table vmType that tell parts of a machine.
var resources = [...]string{"core", "memory", "hdd", "ssd", "nic"}

// parts are of a machine, of each resource.
type parts [len(resources)]float64

// key is a kind of VM on a kind of machine.
type key struct{ kind, machine int64 }

type vm struct {
	id, tenant, kind int64
	low              bool
	start, end       float64 // days; end is +Inf where it outlived the trace
}

type packing struct {
	takes map[key]parts
	kinds map[int64]bool
	vms   []vm
}

type reader struct {
	file   string
	faults []error
	more   int
}

func (r *reader) fault(table string, row int64, format string, args ...any) {
	if len(r.faults) == maxFaults {
		r.more++
		return
	}
	r.faults = append(r.faults, fmt.Errorf("%s: table %s, row %d: %s", r.file, table, row, fmt.Sprintf(format, args...)))
}

func (r *reader) err() error {
	if r.more > 0 {
		return errors.Join(errors.Join(r.faults...), fmt.Errorf("%s: and %d more", r.file, r.more))
	}
	return errors.Join(r.faults...)
}

// read reads the database, and writes nothing to it.
func read(ctx context.Context, path string) (*packing, error) {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: "mode=ro"}).String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer db.Close()
	r := &reader{file: path}
	p := &packing{takes: map[key]parts{}, kinds: map[int64]bool{}}
	if err := r.kinds(ctx, db, p); err != nil {
		return nil, fmt.Errorf("%s: table vmType: %w", path, err)
	}
	if err := r.vms(ctx, db, p); err != nil {
		return nil, fmt.Errorf("%s: table vm: %w", path, err)
	}
	return p, r.err()
}

// whole returns a column's whole number.
func (r *reader) whole(table string, row int64, column string, v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		if n := int64(v); float64(n) == v {
			return n
		}
	}
	r.fault(table, row, "%s %v: not a whole number", column, shown(v))
	return 0
}

// number returns a column's number.
func (r *reader) number(table string, row int64, column string, v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
	}
	r.fault(table, row, "%s %v: not a number", column, shown(v))
	return 0
}

func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return fmt.Sprintf("%.60q", v)
	case string:
		return fmt.Sprintf("%.60q", v)
	}
	return fmt.Sprint(v)
}

func (r *reader) kinds(ctx context.Context, db *sql.DB, p *packing) error {
	rows, err := db.QueryContext(ctx, "SELECT rowid, vmTypeId, machineId, core, memory, hdd, ssd, nic FROM vmType ORDER BY rowid")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row int64
		var kind, machine any
		var of [len(resources)]any
		if err := rows.Scan(&row, &kind, &machine, &of[0], &of[1], &of[2], &of[3], &of[4]); err != nil {
			return err
		}
		k := key{r.whole("vmType", row, "vmTypeId", kind), r.whole("vmType", row, "machineId", machine)}
		var takes parts
		for i, v := range of {
			if v == nil && i >= 2 { // disks and network, which not all need
				continue
			}
			takes[i] = r.number("vmType", row, resources[i], v)
			if takes[i] < 0 || takes[i] > 1 {
				r.fault("vmType", row, "%s %v: no part of a machine, which is within 0 to 1", resources[i], takes[i])
			}
		}
		if _, twice := p.takes[k]; twice {
			r.fault("vmType", row, "vmTypeId %d on machineId %d: told twice", k.kind, k.machine)
		}
		p.takes[k], p.kinds[k.kind] = takes, true
	}
	return rows.Err()
}

// lastDay is the day at which the trace says no more of when VMs end.
const lastDay = 90

func (r *reader) vms(ctx context.Context, db *sql.DB, p *packing) error {
	rows, err := db.QueryContext(ctx, "SELECT rowid, vmId, tenantId, vmTypeId, priority, starttime, endtime FROM vm ORDER BY rowid")
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := map[int64]int64{}
	for rows.Next() {
		var row int64
		var id, tenant, kind, priority, start, end any
		if err := rows.Scan(&row, &id, &tenant, &kind, &priority, &start, &end); err != nil {
			return err
		}
		v := vm{id: r.whole("vm", row, "vmId", id), tenant: r.whole("vm", row, "tenantId", tenant), kind: r.whole("vm", row, "vmTypeId", kind),
			start: r.number("vm", row, "starttime", start), end: math.Inf(1)}
		switch n := r.whole("vm", row, "priority", priority); n {
		case 0, 1:
			v.low = n == 1
		default:
			r.fault("vm", row, "priority %d: not 0 (high) or 1 (low)", n)
		}
		if end != nil {
			v.end = r.number("vm", row, "endtime", end)
		}
		switch {
		case v.start > lastDay:
			r.fault("vm", row, "starttime %v: after day %d", v.start, lastDay)
		case v.end < v.start:
			r.fault("vm", row, "endtime %v: before starttime %v", v.end, v.start)
		case end != nil && v.end > 2*lastDay:
			r.fault("vm", row, "endtime %v: after day %d, where it would be NULL", v.end, lastDay)
		}
		if !p.kinds[v.kind] {
			r.fault("vm", row, "vmTypeId %d: not in table vmType", v.kind)
		}
		if first, twice := seen[v.id]; twice {
			r.fault("vm", row, "vmId %d: also in row %d", v.id, first)
		} else {
			seen[v.id] = row
		}
		p.vms = append(p.vms, v)
	}
	return rows.Err()
}
