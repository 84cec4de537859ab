package main

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/suite"
	"github.com/berth-sched/berth/bench/trace"
)

// schema is that of the published trace.
const schema = `
CREATE TABLE vmType (id INTEGER, vmTypeId INTEGER, machineId INTEGER, core REAL, memory REAL, hdd REAL, ssd REAL, nic REAL);
CREATE TABLE vm (vmId INTEGER, tenantId INTEGER, vmTypeId INTEGER, priority INTEGER, starttime REAL, endtime REAL);
`

// twoKinds has three kinds of VM, of which the first two run on machines of kind 16, and the first and the third on those of kind 17.
const twoKinds = `
INSERT INTO vmType VALUES (0, 1, 16, 0.5, 0.25, NULL, 0.0625, 0.1), (1, 2, 16, 0.125, 0.5, 0.3333333, 0, 0), (2, 1, 17, 0.25, 0.25, NULL, 0, 0), (3, 3, 17, 1, 1, 0, 0, 0);
INSERT INTO vm VALUES (10, 7, 1, 0, -3.5, NULL), (11, 7, 2, 1, 0.5, 0.75), (12, 7, 2, 1, 0.5, 14), (13, 8, 2, 0, 0.5, 0.50000001), (14, 8, 3, 0, 1, 2), (15, 8, 1, 0, -5, -1), (16, 9, 1, 0, 7, 21);
`

func database(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "packing trace.sqlite")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(text)
	require.NoError(t, err)
	return path
}

func TestATraceBecomesACell(t *testing.T) {
	path, dir := database(t, schema+twoKinds), filepath.Join(t.TempDir(), "cell")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-db", path, "-o", dir, "-load", "50"}, &out))
	// On kind 16 run six of seven VMs, of which one was gone. In the second week live, in cores, 0.5 (10) + 0.125 (12) + 0.5 (16), in memory .25 + .5 + .25:
	// 1.125 machines at 100 %, and 2.25, so three, at 50 %.
	assert.Equal(t, "3 machines of kind 16 and 5 VMs in "+dir+"; 1 VMs cannot run on such, 1 were gone when the trace begins\n", out.String())
	c, err := trace.LoadOwn(dir)
	require.NoError(t, err)
	require.Len(t, c.Nodes, 3)
	assert.Equal(t, berth.Resources{"cpu": 1_000_000, "memory": 1_000_000 << 20, "hdd": 1_000_000, "ssd": 1_000_000, "nic": 1_000_000}, c.Nodes[0].Capacity)
	type line struct {
		id, role  string
		at, lives time.Duration
		batch     int
	}
	var got []line
	for _, j := range c.Jobs {
		got = append(got, line{j.Name, j.QoS, j.At, j.Lives, j.Batch})
	}
	const day = 24 * time.Hour
	assert.Equal(t, []line{
		{"vm-10", "high-priority", 0, 0, 0},
		{"vm-11", "low-priority", day / 2, day / 4, 1},
		{"vm-12", "low-priority", day / 2, 27 * day / 2, 1},
		{"vm-13", "high-priority", day / 2, time.Second, 2},
		{"vm-16", "high-priority", 7 * day, 14 * day, 3},
	}, got)
	assert.Equal(t, int64(500_000), c.Jobs[0].CPU)
	assert.Equal(t, berth.Resources{"hdd": 0, "ssd": 62_500, "nic": 100_000}, c.Jobs[0].Others)
	assert.Equal(t, int64(333_334), c.Jobs[1].Others["hdd"], "never less than it is")

	// The suite takes it as it is.
	d, err := suite.New().Run(t.Context(), suite.Config{Nodes: 10, Seeds: 1, Data: dir, Scenarios: []string{"churn"}, Policies: []string{"best-fit"}})
	require.NoError(t, err)
	last := d.Quality.Results[len(d.Quality.Results)-1]
	assert.Equal(t, "own", last.Workload)
	assert.Equal(t, 5, last.Tasks)
	assert.Zero(t, last.Metrics["rejected"])

	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-db", path, "-o", dir, "-machine", "17", "-nodes", "4"}, &out))
	assert.Contains(t, out.String(), "4 machines of kind 17 and 3 VMs in ")
}

func TestFaultsAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		rows string
		want []string
	}{
		"no tables":  {"CREATE TABLE x (y)", []string{"table vmType: ", "no such table: vmType"}},
		"no column":  {"CREATE TABLE vmType (id, vmTypeId, machineId, core, memory)", []string{"table vmType: ", "no such column"}},
		"nothing":    {schema, []string{"no VM can run on a machine of kind -1"}},
		"over":       {schema + "INSERT INTO vmType VALUES (0, 1, 16, 1.5, -0.25, 0, 0, 0)", []string{"table vmType, row 1: core 1.5: no part of a machine", "row 1: memory -0.25: no part"}},
		"null":       {schema + "INSERT INTO vmType VALUES (0, 1, 16, NULL, 'much', 0, 0, 0)", []string{"row 1: core NULL: not a number", `row 1: memory "much": not a number`}},
		"twice":      {schema + "INSERT INTO vmType VALUES (0, 1, 16, 1, 1, 0, 0, 0), (1, 1, 16, 1, 1, 0, 0, 0)", []string{"row 2: vmTypeId 1 on machineId 16: told twice"}},
		"priority":   {schema + twoKinds + "INSERT INTO vm VALUES (20, 7, 1, 2, 0, 1)", []string{"table vm, row 8: priority 2: not 0 (high) or 1 (low)"}},
		"back":       {schema + twoKinds + "INSERT INTO vm VALUES (20, 7, 1, 0, 2, 1)", []string{"table vm, row 8: endtime 1: before starttime 2"}},
		"never":      {schema + twoKinds + "INSERT INTO vm VALUES (20, 7, 1, 0, 1e300, NULL)", []string{"row 8: starttime 1e+300: after day 90"}},
		"late":       {schema + twoKinds + "INSERT INTO vm VALUES (20, 7, 1, 0, 1, 1e300)", []string{"row 8: endtime 1e+300: after day 90"}},
		"stranger":   {schema + twoKinds + "INSERT INTO vm VALUES (20, 7, 99, 0, 1, 2)", []string{"row 8: vmTypeId 99: not in table vmType"}},
		"same":       {schema + twoKinds + "INSERT INTO vm VALUES (16, 7, 1, 0, 1, 2)", []string{"row 8: vmId 16: also in row 7"}},
		"of no time": {schema + twoKinds + "INSERT INTO vm VALUES (20, 7, 1, 0, NULL, 2)", []string{"row 8: starttime NULL: not a number"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cell")
			err := run(t.Context(), []string{"-db", database(t, c.rows), "-o", dir}, &bytes.Buffer{})
			for _, want := range c.want {
				assert.ErrorContains(t, err, want)
			}
			_, err = os.Stat(dir)
			assert.ErrorIs(t, err, os.ErrNotExist, "nothing is written")
		})
	}
}

func TestFaultsOfTheCommand(t *testing.T) {
	dir := t.TempDir()
	err := run(t.Context(), []string{"-db", filepath.Join(dir, "none.sqlite"), "-nodes", "-1", "-load", "NaN"}, &bytes.Buffer{})
	for _, want := range []string{"-db: stat ", "-o: which folder?", "-nodes -1: not within 0 to 2000000", "-load NaN: not within 1 to 1000"} {
		assert.ErrorContains(t, err, want)
	}
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("no database at all, but a text that is long enough to be looked at"), 0o666))
	assert.ErrorContains(t, run(t.Context(), []string{"-db", text, "-o", dir}, &bytes.Buffer{}), "file is not a database")
	path := database(t, schema+twoKinds)
	assert.ErrorContains(t, run(t.Context(), []string{"-db", path, "-o", dir, "-machine", "3"}, &bytes.Buffer{}), "no VM can run on a machine of kind 3")
	assert.ErrorContains(t, run(t.Context(), []string{"-db", path, "-o", filepath.Join(text, "x")}, &bytes.Buffer{}), "-o: mkdir")
}
