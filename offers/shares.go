package offers

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// shareIndex is where in a list of shares that of a device is. The zero value is that of an empty list.
type shareIndex map[berth.DeviceName]int

// add returns a list of shares with one more, as part of what the list has of the device.
func (x *shareIndex) add(shares []berth.DeviceShare, more berth.DeviceShare) []berth.DeviceShare {
	name := more.Device()
	i, ok := (*x)[name]
	if !ok {
		if *x == nil {
			*x = shareIndex{}
		}
		(*x)[name] = len(shares)
		more.Amounts = cloned(more.Amounts)
		return append(shares, more)
	}
	shares[i].Units += more.Units
	for amount, q := range more.Amounts {
		shares[i].Amounts = with(shares[i].Amounts, amount, q)
	}
	return shares
}

// cloned returns a copy; nil of nothing.
func cloned(r berth.Resources) berth.Resources {
	if len(r) == 0 {
		return nil
	}
	return r.Clone()
}

// freeShare returns what is still free of a share of the device at an index.
func freeShare(state *store.NodeState, index int, share berth.DeviceShare) berth.DeviceShare {
	left := berth.DeviceShare{Class: share.Class, ID: share.ID, Units: max(min(share.Units, state.Devices[index]), 0)}
	for amount, q := range share.Amounts {
		one := berth.DeviceShare{Amounts: berth.Resources{amount: q}}
		for cell := range fit.Cells(state.Node.Spec, index, &one) {
			if q = min(q, state.Devices[cell]); q > 0 {
				left.Amounts = with(left.Amounts, amount, q)
			}
		}
	}
	return left
}

// isEmpty reports whether a share is of nothing.
func isEmpty(s berth.DeviceShare) bool { return s.Units == 0 && len(s.Amounts) == 0 }

// less returns shares less others, without what nothing is left of. It writes to the first.
func less(shares, others []berth.DeviceShare) []berth.DeviceShare {
	var index shareIndex
	sums := make([]berth.DeviceShare, 0, len(others))
	for _, s := range others {
		sums = index.add(sums, s)
	}
	for i := range shares {
		s := &shares[i]
		at, ok := index[s.Device()]
		if !ok {
			continue
		}
		s.Units = max(s.Units-sums[at].Units, 0)
		var left berth.Resources
		for amount, q := range s.Amounts {
			if q -= sums[at].Amounts[amount]; q > 0 {
				left = with(left, amount, q)
			}
		}
		s.Amounts = left
	}
	return slices.DeleteFunc(shares, isEmpty)
}
