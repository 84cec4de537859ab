package lex

import (
	"fmt"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
)

// Part is what a value of an attribute is to have of all tasks, in %.
type Part struct {
	Value   berth.Value
	Percent int
}

// Parts returns the parts of a map of values as a program gives it, in the order of values, and what they leave of 100 %. The faults are
// in an order that is not the map's: values that are none or are given twice, percentages that are not from 0 to 100, no values, more than
// 100 % together. A value that is given twice has the smaller percentage.
func Parts(given map[any]int) (parts []Part, rest int, faults []string) {
	values := make(map[berth.Value]int, len(given))
	for of, percent := range given {
		v, err := berth.ValueOf(of)
		if err != nil {
			faults = append(faults, err.Error())
			continue
		}
		if before, twice := values[v]; twice {
			faults = append(faults, fmt.Sprintf("value %s is given twice", PrintValue(v)))
			percent = min(percent, before)
		}
		values[v] = percent
	}
	slices.Sort(faults) // for the order of a map must not show
	sum := 0
	for _, v := range slices.SortedFunc(maps.Keys(values), berth.Value.Compare) {
		percent := values[v]
		if parts = append(parts, Part{v, percent}); percent < 0 || percent > 100 {
			faults = append(faults, fmt.Sprintf("percentage %d of %s is not from 0 to 100", percent, PrintValue(v)))
		} else {
			sum += percent
		}
	}
	if len(parts) == 0 {
		faults = append(faults, "no values")
	}
	if sum > 100 {
		faults = append(faults, fmt.Sprintf("the percentages make %d", sum))
	}
	return parts, max(0, 100-sum), faults
}
