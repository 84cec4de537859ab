package berth

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ErrOverflow is wrapped by every arithmetic error that would otherwise wrap around.
var ErrOverflow = errors.New("quantity overflows int64")

// ErrNegative is wrapped by every error about a quantity below zero.
var ErrNegative = errors.New("quantity is negative")

// Resources are quantities by name, in the host's own units. By convention "cpu" counts thousandths
// of a core and "memory" and "disk" count bytes; any other name is a resource too. An absent name is
// zero. Arithmetic is checked: a sum that does not fit in an int64 and a difference below zero are
// errors, never a wrapped number.
//
// The maps that hosts hand to berth are read once and never kept or written.
type Resources map[string]int64

// Err returns every fault in r joined into one error, in name order, or nil.
func (r Resources) Err() error {
	faulty := false
	for name, q := range r {
		faulty = faulty || q < 0 || checkName("resource", name) != nil
	}
	if !faulty {
		return nil // without sorting the names: every group is checked
	}
	var errs []error
	for name, q := range r.All() {
		if err := checkName("resource", name); err != nil {
			errs = append(errs, err)
		}
		if q < 0 {
			errs = append(errs, fmt.Errorf("resource %q: %w: %d", name, ErrNegative, q))
		}
	}
	return errors.Join(errs...)
}

// All yields the resources in name order.
func (r Resources) All() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		var few [16]string
		names := slices.AppendSeq(few[:0], maps.Keys(r))
		slices.Sort(names)
		for _, name := range names {
			if !yield(name, r[name]) {
				return
			}
		}
	}
}

// Plus returns the sum of r and o. It fails if a quantity of either is negative or a sum overflows,
// naming every such resource.
func (r Resources) Plus(o Resources) (Resources, error) {
	return combine(r, o, addQuantity)
}

// Minus returns r less o. It fails if a quantity of either is negative or a difference would be,
// naming every such resource. Names that reach zero stay, at zero.
func (r Resources) Minus(o Resources) (Resources, error) {
	return combine(r, o, func(a, b int64) (int64, error) {
		if b > a {
			return 0, fmt.Errorf("%d - %d: %w", a, b, ErrNegative)
		}
		return a - b, nil
	})
}

// Times returns n times r. It fails if n or a quantity is negative or a product overflows.
func (r Resources) Times(n int64) (Resources, error) {
	if n < 0 {
		return nil, fmt.Errorf("factor %d: %w", n, ErrNegative)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	out := make(Resources, len(r))
	var errs []error
	for name, q := range r.All() {
		if n > 0 && q > math.MaxInt64/n {
			errs = append(errs, fmt.Errorf("resource %q: %d * %d: %w", name, q, n, ErrOverflow))
			continue
		}
		out[name] = q * n
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}

func combine(r, o Resources, op func(a, b int64) (int64, error)) (Resources, error) {
	if err := errors.Join(r.Err(), o.Err()); err != nil {
		return nil, err
	}
	out := make(Resources, len(r)+len(o))
	maps.Copy(out, r)
	var errs []error
	for name, q := range o.All() {
		v, err := op(r[name], q)
		if err != nil {
			errs = append(errs, fmt.Errorf("resource %q: %w", name, err))
			continue
		}
		out[name] = v
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}

func addQuantity(a, b int64) (int64, error) {
	s := a + b
	if (a > 0 && b > 0 && s < 0) || (a < 0 && b < 0 && s >= 0) {
		return 0, fmt.Errorf("%d + %d: %w", a, b, ErrOverflow)
	}
	return s, nil
}

// Covers reports whether r has at least as much as o of everything o asks for.
func (r Resources) Covers(o Resources) bool {
	for name, q := range o {
		if r[name] < q {
			return false
		}
	}
	return true
}

// Equal reports whether r and o hold the same quantities; an absent name equals zero.
func (r Resources) Equal(o Resources) bool {
	return r.Covers(o) && o.Covers(r)
}

// Clone returns a copy of r, never nil.
func (r Resources) Clone() Resources {
	out := make(Resources, len(r))
	maps.Copy(out, r)
	return out
}

// String lists the resources in name order, "cpu 0.5, memory 1 GiB".
func (r Resources) String() string {
	var b strings.Builder
	for name, q := range r.All() {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
		b.WriteByte(' ')
		b.WriteString(FormatQuantity(name, q))
	}
	if b.Len() == 0 {
		return "nothing"
	}
	return b.String()
}

// FormatQuantity prints q as people read a resource of that name by the conventions of [Resources]:
// cores for "cpu", binary multiples of a byte for "memory" and "disk", the plain number for any other.
// Bytes are rounded to one decimal. An amount of devices, as [DeviceResource] names it, reads as its last part does.
func FormatQuantity(name string, q int64) string { return format(name, q, math.Round) }

// formatShortfall is FormatQuantity rounded up: as much as it prints is enough.
func formatShortfall(name string, q int64) string { return format(name, q, math.Ceil) }

func format(name string, q int64, round func(float64) float64) string {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "cpu":
		return strconv.FormatFloat(float64(q)/1000, 'f', -1, 64)
	case "memory", "disk":
		units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
		v, u := float64(q), 0
		for math.Abs(round(v*10)) >= 10240 && u < len(units)-1 {
			v /= 1024
			u++
		}
		return strconv.FormatFloat(round(v*10)/10, 'f', -1, 64) + " " + units[u]
	}
	return strconv.FormatInt(q, 10)
}
