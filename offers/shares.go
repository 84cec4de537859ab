package offers

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// shareIndex is where in a list of shares that of a device is. The zero value is that of an empty list.
type shareIndex map[fit.DeviceName]int

// add returns a list of shares with one more, as part of what the list has of the device.
func (x *shareIndex) add(shares []berth.DeviceShare, more berth.DeviceShare) []berth.DeviceShare {
	name := fit.NameOf(more)
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

// isEmpty reports whether a share is of nothing.
func isEmpty(s berth.DeviceShare) bool { return s.Units == 0 && len(s.Amounts) == 0 }
