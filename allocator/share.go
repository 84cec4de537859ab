package allocator

import (
	"fmt"
	"strconv"
)

// Weight is how much a role deserves relative to its siblings, in thousandths: a role of weight 2000 deserves
// twice as much as one of [DefaultWeight]. It is a positive whole number, so that shares compare exactly.
type Weight int64

// DefaultWeight is the weight of a role that was given none, and of the clients in a role.
const DefaultWeight Weight = 1000

// String prints the weight as a multiple of the default, "2" or "0.1".
func (w Weight) String() string {
	return strconv.FormatFloat(float64(w)/float64(DefaultWeight), 'f', -1, 64)
}

// Share is a dominant share: the part Used out of Total of the resource of which the client or role
// has the largest part. When two resources tie, the first by name is meant. The zero Share is that of
// a client that holds nothing that counts.
//
// Where Used or Total is beyond an int64, both are divided by the power of two that makes them fit, and
// rounded up, so that something is never shown as nothing. The order of a [DRF] goes by the exact amounts.
type Share struct {
	Used     int64  `json:"used"`
	Total    int64  `json:"total"`
	Resource string `json:"resource,omitempty"`
	Weight   Weight `json:"weight,omitzero"` // by which Compare divides; DefaultWeight when not positive
}

// Compare returns -1, 0 or +1 as the share divided by its weight is less than, equal to or greater than
// o's. It is exact for whatever the fields hold.
func (s Share) Compare(o Share) int {
	a, b := s.ratio(), o.ratio()
	return a.compare(&b)
}

// Fraction returns Used/Total in lowest terms, weight left out: 2, 3 for 6 of 9; 0, 1 for nothing.
func (s Share) Fraction() (num, den int64) {
	if s.Used <= 0 || s.Total <= 0 {
		return 0, 1
	}
	a, b := s.Used, s.Total
	for b != 0 {
		a, b = b, a%b
	}
	return s.Used / a, s.Total / a
}

// Float64 returns the nearest float64 to Used/Total, weight left out. It is for reports; decisions
// use Compare.
func (s Share) Float64() float64 {
	num, den := s.Fraction()
	return float64(num) / float64(den)
}

// String prints the share in lowest terms, "2/3 of cpu", with "at weight 2" when the weight is not
// the default; "0" for nothing.
func (s Share) String() string {
	num, den := s.Fraction()
	if num == 0 {
		return "0"
	}
	if s.Weight <= 0 || s.Weight == DefaultWeight {
		return fmt.Sprintf("%d/%d of %s", num, den, s.Resource)
	}
	return fmt.Sprintf("%d/%d of %s at weight %s", num, den, s.Resource, s.Weight)
}

// fraction returns used and total as int64s: both halved until they fit, which they mostly do.
func fraction(used, total wide) (int64, int64) {
	n := max(0, max(used.bits(), total.bits())-63)
	return used.over(n).int64(), total.over(n).int64()
}

func (s Share) ratio() ratio {
	r := ratio{total: wideOf(1), weight: uint64(DefaultWeight)}
	if s.Used > 0 && s.Total > 0 {
		r.used, r.total = wideOf(s.Used), wideOf(s.Total)
	}
	if s.Weight > 0 {
		r.weight = uint64(s.Weight)
	}
	return r
}
