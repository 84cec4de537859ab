package fit

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
)

// Requests of one class can want the same devices: a share that any device can give must not take the only one of the model
// that another request names. Whether all can be served at once is a matching of requests and devices, found by augmenting
// paths (Ford and Fulkerson 1956). Devices that can serve the same requests are as good as each other for it, so that it is
// over a few kinds, however many devices there are.

// matching is requests of one class and kinds of devices.
type matching struct {
	want  []int        // by request: how many devices it wants
	kinds []deviceKind // of which some may be none
}

// deviceKind is devices by the requests that each can serve, a bit for each request.
type deviceKind struct {
	serves uint64
	n      int
}

// add adds a device, if it can serve anything, and returns its kind.
func (m *matching) add(serves uint64) int { return m.addSome(serves, 1) }

// addSome adds so many devices.
func (m *matching) addSome(serves uint64, n int) int {
	i := slices.IndexFunc(m.kinds, func(k deviceKind) bool { return k.serves == serves })
	if i < 0 {
		i = len(m.kinds)
		m.kinds = append(m.kinds, deviceKind{serves: serves})
	}
	m.kinds[i].n += n
	return i
}

// isPossible reports whether every request can have the devices that it wants.
func (m *matching) isPossible() bool {
	wanted, there := 0, 0
	for _, n := range m.want {
		wanted += n
	}
	for _, k := range m.kinds {
		there += k.n
	}
	if wanted > there {
		return false
	}
	var few [32]int
	f := flow{m: m, left: few[:0]}
	for _, k := range m.kinds {
		f.left = append(f.left, k.n)
	}
	f.given = f.left[len(f.left):]
	for range len(m.kinds) * len(m.want) {
		f.given = append(f.given, 0)
	}
	for r, n := range m.want {
		for range n {
			if seen := uint64(0); !f.serve(r, &seen) {
				return false
			}
		}
	}
	return true
}

// flow is a matching in part.
type flow struct {
	m     *matching
	left  []int // by kind: devices not given
	given []int // by kind and request: devices given
}

// serve gives a request one more device, if need be by giving requests that were not seen yet others for theirs.
func (f *flow) serve(r int, seen *uint64) bool {
	*seen |= 1 << r
	for k, kind := range f.m.kinds {
		if kind.serves>>r&1 == 1 && f.left[k] > 0 {
			f.left[k]--
			f.given[k*len(f.m.want)+r]++
			return true
		}
	}
	for k, kind := range f.m.kinds {
		if kind.serves>>r&1 == 0 {
			continue
		}
		given := f.given[k*len(f.m.want) : (k+1)*len(f.m.want)]
		for other := range given {
			if given[other] > 0 && *seen>>other&1 == 0 && f.serve(other, seen) {
				given[other]--
				given[r]++
				return true
			}
		}
	}
	return false
}

// when says which devices of a node are looked at.
type when int

const (
	everThere when = iota // all that are asked for
	whenIdle              // those that are healthy, as if nobody had any
	withRoom              // those that are healthy and have room
)

// servesTogether reports whether the devices of n can serve all requests of one class at once.
func servesTogether(requests []berth.DeviceRequest, n *berth.Node, free []int64, which when) bool {
	var wants [8]int
	var kinds [16]deviceKind
	m := matching{want: wants[:0], kinds: kinds[:0]}
	for i := range requests {
		m.want = append(m.want, max(requests[i].Count, 1))
	}
	for i, amounts := 0, len(n.Devices); i < len(n.Devices); i++ {
		dev := &n.Devices[i]
		if dev.Class == requests[0].Class {
			if serves := servedBy(requests, dev, free, i, amounts, which); serves != 0 {
				m.add(serves)
			}
		}
		amounts += len(dev.Capacity)
	}
	return m.isPossible()
}

// servedBy returns which of the requests of its class a device can serve, a bit for each.
func servedBy(requests []berth.DeviceRequest, dev *berth.Device, free []int64, index, at int, which when) (serves uint64) {
	for j := range requests {
		d := &requests[j]
		ok := isAskedFor(d, dev)
		if which > everThere {
			ok = ok && !dev.Unhealthy
		}
		if which == withRoom {
			ok = ok && index < len(free) && fits(d, dev, free, index, at)
		}
		if ok {
			serves |= 1 << j
		}
	}
	return serves
}

// candidate is a device that can serve some requests of its class.
type candidate struct {
	index, at int // in the list of devices, and of its amounts among what is free
	place     int // among those of its class
	kind      int
	request   int // that it is given to, or -1
}

// chooseBest is chooseDevices: each request in turn gets the best devices that leave the others enough.
func chooseBest(r *berth.Requirements, n *berth.Node, free []int64) (shares []berth.DeviceShare, ok bool) {
	for from := 0; from < len(r.Devices); {
		_, to := r.RequestsOf(r.Devices[from].Class)
		requests := r.Devices[from:to]
		chosen := chooseOf(requests, n, free)
		if chosen == nil {
			return nil, false
		}
		for _, c := range chosen {
			if c.request >= 0 {
				shares = append(shares, share(&requests[c.request], &n.Devices[c.index], c.place))
			}
		}
		from = to
	}
	return shares, true
}

// chooseOf gives devices to requests of one class: it returns the candidates, some of them given, or nil if there are not
// enough.
func chooseOf(requests []berth.DeviceRequest, n *berth.Node, free []int64) []candidate {
	m := matching{want: make([]int, len(requests))}
	var candidates []candidate
	for j := range requests {
		m.want[j] = max(requests[j].Count, 1)
	}
	place := 0
	for i, amounts := 0, len(n.Devices); i < len(n.Devices); i++ {
		dev := &n.Devices[i]
		if dev.Class == requests[0].Class {
			if serves := servedBy(requests, dev, free, i, amounts, withRoom); serves != 0 {
				candidates = append(candidates, candidate{index: i, at: amounts, place: place, kind: m.add(serves), request: -1})
			}
			place++
		}
		amounts += len(dev.Capacity)
	}
	if !m.isPossible() {
		return nil
	}
	for j := range requests {
		by := ranked(candidates, &requests[j], n, free)
		for ; m.want[j] > 0; m.want[j]-- {
			m.giveBest(candidates, by, j)
		}
	}
	return candidates
}

// giveBest gives a request one more of its candidates, the first in an order that leaves the others enough. All of a kind leave them
// as much.
func (m *matching) giveBest(candidates []candidate, order []int, request int) {
	vain := uint64(0) // kinds that do not
	for _, i := range order {
		c := &candidates[i]
		if c.request >= 0 || m.kinds[c.kind].serves>>request&1 == 0 || c.kind < 64 && vain>>c.kind&1 == 1 {
			continue
		}
		m.kinds[c.kind].n--
		m.want[request]--
		possible := len(m.want) == 1 || m.isPossible()
		m.want[request]++
		if possible {
			c.request = request
			return
		}
		m.kinds[c.kind].n++
		if c.kind < 64 {
			vain |= 1 << c.kind
		}
	}
}

// ranked returns the candidates for a request, the best first.
func ranked(candidates []candidate, d *berth.DeviceRequest, n *berth.Node, free []int64) []int {
	order := make([]int, len(candidates))
	for i := range order {
		order[i] = i
	}
	var amounts []string
	for amount := range d.Amounts.All() {
		amounts = append(amounts, amount)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := &candidates[a], &candidates[b]
		one, other := &n.Devices[x.index], &n.Devices[y.index]
		if c := cmp.Compare(d.WeightOf(other.Model), d.WeightOf(one.Model)); c != 0 || d.Count > 0 {
			return c
		}
		if c := cmp.Compare(free[x.index], free[y.index]); c != 0 {
			return c
		}
		for _, amount := range amounts {
			if c := cmp.Compare(freeOf(amount, one, free, x.at), freeOf(amount, other, free, y.at)); c != 0 {
				return c
			}
		}
		return 0
	})
	return order
}

// freeOf returns what is free of an amount of a device whose amounts stand from at on.
func freeOf(amount string, dev *berth.Device, free []int64, at int) int64 {
	if _, ok := dev.Capacity[amount]; !ok {
		return 0
	}
	return free[at+placeOf(amount, dev.Capacity)]
}

// servesExactly reports whether shares serve the requests of one class and nothing else is among them, given a bit for each request
// that a share would serve.
func servesExactly(requests []berth.DeviceRequest, serves []uint64) bool {
	m, wanted := matching{}, 0
	for j := range requests {
		m.want = append(m.want, max(requests[j].Count, 1))
		wanted += m.want[j]
	}
	for _, bits := range serves {
		m.add(bits)
	}
	return wanted == len(serves) && m.isPossible()
}
