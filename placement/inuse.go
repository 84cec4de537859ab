package placement

import "math"

// meanInUse is the node's part of InUse: the mean of what is in use of the resources that the node has.
func (b *resources) meanInUse(free, capacity []int64) int64 {
	var sum, n int64
	if b.all {
		for d, c := range capacity {
			if c > 0 {
				sum += fraction(c-free[d], c)
				n++
			}
		}
		return sum / max(n, 1)
	}
	for _, d := range b.at {
		if d >= 0 && d < len(capacity) && capacity[d] > 0 {
			sum += fraction(capacity[d]-free[d], capacity[d])
			n++
		}
	}
	return sum / max(n, 1)
}

// meanAsked is the request's part of InUse.
func (b *resources) meanAsked(request, capacity []int64) int64 {
	var sum, n int64
	if b.all {
		for d, c := range capacity {
			if c > 0 {
				sum += fraction(request[d], c)
				n++
			}
		}
		return sum / max(n, 1)
	}
	for _, d := range b.at {
		if d >= 0 && d < len(capacity) && capacity[d] > 0 {
			sum += fraction(request[d], capacity[d])
			n++
		}
	}
	return sum / max(n, 1)
}

// fraction returns part/whole in units of 1/Resolution, rounded down, between 0 and Resolution.
func fraction(part, whole int64) int64 {
	switch {
	case part <= 0:
		return 0
	case part >= whole:
		return Resolution
	case part < math.MaxInt64/Resolution:
		return part * Resolution / whole
	}
	return mulDiv(part, Resolution, whole)
}
