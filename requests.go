package berth

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxDeviceRequests is the most requests for devices of one class that a group can have.
const MaxDeviceRequests = 64

// DeviceRequest asks for whole devices of a class, or for a share of one: some of its [DeviceUnits], some of the amounts
// that it has beside them, or both.
type DeviceRequest struct {
	Class string
	// Count is a number of whole devices, and Share is units of one device, of its [DeviceUnits].
	Count int
	Share int64
	// Amounts are what a share takes of the amounts of one device, as [Device].Capacity names them: some of its memory and
	// some of its cores. With a Share it takes units besides, without one none. Of an amount that is not named a share takes
	// its part of what the device has, rounded up. Whole devices are taken with all that they have.
	Amounts Resources
	// Models are the models that will do; if it is empty, any will.
	Models []string
	// Prefer are models that are more welcome than others, or less: of the devices of a node a task gets the most welcome that
	// leave its other requests enough. Which node it goes to depends on them under a strategy that says so, as
	// placement.Models does. A strategy that rates devices itself takes the most welcome of those that it rates alike. The weights, by
	// model, are from 1 to [MaxWeight] or their negatives; models that are not named have the weight 0.
	Prefer map[string]int64
}

// Units returns how many units of its class the request takes in all.
func (d DeviceRequest) Units() int64 {
	if d.Count > 0 {
		return int64(d.Count) * DeviceUnits
	}
	return d.Share
}

// Takes returns what the request takes of an amount of one device that has so much of it in all.
func (d DeviceRequest) Takes(amount string, all int64) int64 {
	if d.Count > 0 {
		return all
	}
	if q, ok := d.Amounts[amount]; ok {
		return q
	}
	return all/DeviceUnits*d.Share + (all%DeviceUnits*d.Share+DeviceUnits-1)/DeviceUnits
}

// WeightOf returns the weight of a model.
func (d DeviceRequest) WeightOf(model string) int64 {
	return d.Prefer[model]
}

// DeviceResource returns the name of the resource as which an amount of devices counts: "gpu.memory" for the memory of
// devices of class gpu. A node has of it what its healthy devices have together, and tasks take of it what they ask for by
// name, in shares and limits as on the node. What else a share or a whole device takes of a device's amounts, which goes by the
// device, is taken of the device alone.
func DeviceResource(class, amount string) string { return class + "." + amount }

// formatUnits prints units as a number of devices.
func formatUnits(units int64) string {
	return strconv.FormatFloat(float64(units)/DeviceUnits, 'f', -1, 64)
}

// String prints what will do, whatever is preferred: "2 gpu", "0.3 gpu", with models "1 gpu (A100|T4)", and with amounts "0.1 gpu
// with memory 10 GiB".
func (d DeviceRequest) String() string {
	s := d.Class
	if units := d.Units(); units > 0 || len(d.Amounts) == 0 {
		s = formatUnits(units) + " " + s
	}
	if len(d.Amounts) > 0 {
		s += " with " + d.Amounts.String()
	}
	if len(d.Models) > 0 {
		s += " (" + strings.Join(d.Models, "|") + ")"
	}
	return s
}

func (d DeviceRequest) clone() DeviceRequest {
	if d.Amounts != nil {
		d.Amounts = d.Amounts.Clone()
	}
	d.Models, d.Prefer = slices.Clone(d.Models), maps.Clone(d.Prefer)
	return d
}

// faults returns what is wrong with the request, its class aside.
func (d DeviceRequest) faults() []error {
	var errs []error
	add := func(err error) { errs = appendFaults(errs, fmt.Sprintf("devices %q", d.Class), err) }
	add(d.Amounts.Err())
	amounts := int64(0)
	for _, q := range d.Amounts {
		amounts = max(amounts, q)
	}
	switch {
	case d.Count < 0 || d.Share < 0:
		add(ErrNegative)
	case d.Count > 0 && len(d.Amounts) > 0:
		add(errors.New("amounts of whole devices, which are taken with all that they have"))
	case (d.Count > 0) == (d.Share > 0 || amounts > 0):
		add(errors.New("exactly one of a count and a share must be set"))
	case d.Share > DeviceUnits:
		add(fmt.Errorf("a share of %d is more than the %d units of a device", d.Share, DeviceUnits))
	case d.Count > 1<<16:
		add(fmt.Errorf("a count of %d is more than any node has", d.Count))
	}
	for _, model := range slices.Sorted(maps.Keys(d.Prefer)) {
		if weight := d.Prefer[model]; weight == 0 || weight > MaxWeight || weight < -MaxWeight {
			add(fmt.Errorf("preference of model %q: weight %d is not within 1 to %d or -%d to -1", model, weight, MaxWeight, MaxWeight))
		}
	}
	return errs
}

// requestFaults returns what is wrong with requests for devices beside a request for resources.
func requestFaults(requests []DeviceRequest, resources Resources) []error {
	var errs []error
	number := make(map[string]int, len(requests)) // of requests, by class
	amounts := Resources{}                        // by the name of their resource
	taken := func(name, what string) {
		if _, ok := resources[name]; ok {
			errs = append(errs, fmt.Errorf("resource %q is also %s", name, what))
		}
	}
	for _, d := range requests {
		if err := checkName("device class", d.Class); err != nil {
			errs = append(errs, err)
		}
		if number[d.Class]++; number[d.Class] == 1 {
			taken(d.Class, "a device class")
		}
		errs = append(errs, d.faults()...)
		for amount, q := range d.Amounts.All() {
			name := DeviceResource(d.Class, amount)
			if _, ok := amounts[name]; !ok {
				taken(name, "an amount of devices")
			}
			if sum := amounts[name]; q > math.MaxInt64-max(sum, 0) {
				errs = append(errs, fmt.Errorf("devices %q: resource %q: %d + %d: %w", d.Class, amount, sum, q, ErrOverflow))
				continue
			}
			amounts[name] += max(q, 0)
		}
	}
	for _, class := range slices.Sorted(maps.Keys(number)) {
		if n := number[class]; n > MaxDeviceRequests {
			errs = append(errs, fmt.Errorf("devices %q: %d requests are more than %d", class, n, MaxDeviceRequests))
		}
		if _, ok := amounts[class]; ok {
			errs = append(errs, fmt.Errorf("device class %q is also an amount of devices", class))
		}
	}
	return errs
}
