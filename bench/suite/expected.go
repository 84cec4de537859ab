package suite

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// curveKey says whose curve it is.
type curveKey struct {
	list, policy string
	seed         int64
}

// expectedCurves are published curves: what is allocated, in %, when so many percent have arrived.
type expectedCurves struct {
	curves map[curveKey][]float64
}

// parseExpected reads the table of published curves: the columns workload, sc_policy, tune, seed, total_gpus, and one for each
// percent from 0 on. An empty cell is a percent at which nothing arrived. It refuses what is malformed, with the line and the reason.
func parseExpected(name string, r io.Reader) (*expectedCurves, error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord = -1 // counted here, so that the error names the file
	head, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("%s:1: no header: %w", name, err)
	}
	want := []string{"workload", "sc_policy", "tune", "seed", "total_gpus"}
	for i, column := range want {
		if i >= len(head) || head[i] != column {
			return nil, fmt.Errorf("%s:1: column %d is not %s", name, i+1, column)
		}
	}
	if len(head) > len(want)+1000 {
		return nil, fmt.Errorf("%s:1: %d columns: too many", name, len(head))
	}
	for i, text := range head[len(want):] {
		if text != strconv.Itoa(i) {
			return nil, fmt.Errorf("%s:1: column %d is %q, not %d: the percents count up from 0", name, len(want)+i+1, text, i)
		}
	}
	e := &expectedCurves{curves: map[curveKey][]float64{}}
	var faults []error
	for len(faults) < 20 {
		record, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, errors.Join(append(faults, fmt.Errorf("%s: %w", name, err))...)
		}
		n, _ := in.FieldPos(0)
		if len(record) != len(head) {
			faults = append(faults, fmt.Errorf("%s:%d: %d fields, and the header has %d columns", name, n, len(record), len(head)))
			continue
		}
		seed, err := strconv.ParseInt(record[3], 10, 64)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: seed %q: not a whole number", name, n, record[3]))
			continue
		}
		curve := make([]float64, len(head)-len(want))
		for i, text := range record[len(want):] {
			curve[i] = math.NaN()
			if text == "" {
				continue
			}
			v, err := strconv.ParseFloat(text, 64)
			if err != nil || !(v >= 0 && v <= 100) {
				faults = append(faults, fmt.Errorf("%s:%d: %q at %d %%: not a number from 0 to 100", name, n, text, i))
				break
			}
			curve[i] = v
		}
		k := curveKey{record[0], record[1], seed}
		if _, twice := e.curves[k]; twice {
			faults = append(faults, fmt.Errorf("%s:%d: %s, %s, seed %d is there twice", name, n, k.list, k.policy, k.seed))
		}
		e.curves[k] = curve
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if len(e.curves) == 0 {
		return nil, fmt.Errorf("%s: no curve in it", name)
	}
	return e, nil
}
