package cluster_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
)

func (d *wish) wants(dev berth.Device) bool {
	for amount, q := range d.Amounts {
		if dev.Capacity[amount] < q {
			return false
		}
	}
	return dev.Class == d.Class && (len(d.Models) == 0 || slices.Contains(d.Models, dev.Model))
}

type wish struct{ berth.DeviceRequest }

// takes returns what the wish takes of a device in one respect: of what it names so much, of the rest its part rounded up.
func (d *wish) takes(c cell, dev berth.Device) int64 {
	q, named := d.Amounts[c.amount]
	switch all := c.has(dev); {
	case d.Count > 0:
		return all
	case c.amount == "":
		return d.Share
	case named:
		return q
	default:
		part := new(big.Int).Mul(big.NewInt(all), big.NewInt(d.Share))
		return part.Add(part, big.NewInt(999)).Div(part, big.NewInt(1000)).Int64()
	}
}

// fits reports whether a device has room for the wish, given what is free.
func (d *wish) fits(n *modelNode, device int, free []int64) bool {
	for i, c := range n.cells() {
		if c.device == device && free[i] < d.takes(c, n.Devices[device]) {
			return false
		}
	}
	return true
}

func (d *wish) weight(dev berth.Device) int64 { return d.Prefer[dev.Model] }

// assign gives each of some wishes a device of its own that is good for it, in order, the best first, by going back where
// one leaves none for the next; nil if that cannot be.
func assign(wishes []wish, devices int, good func(*wish, int) bool, best func(w *wish, a, b int) int, given []int) []int {
	if len(given) == len(wishes) {
		return given
	}
	w := &wishes[len(given)]
	var can []int
	for i := range devices {
		if good(w, i) && !slices.Contains(given, i) {
			can = append(can, i)
		}
	}
	slices.SortStableFunc(can, func(a, b int) int { return best(w, a, b) })
	for _, i := range can {
		if all := assign(wishes, devices, good, best, append(slices.Clone(given), i)); all != nil {
			return all
		}
	}
	return nil
}

// wishes returns one wish for each device of a class that the kind asks for.
func (k *kind) wishes(class string) (wishes []wish) {
	for _, d := range k.spec.Devices {
		for range max(d.Count, 1) {
			if d.Class == class {
				wishes = append(wishes, wish{d})
			}
		}
	}
	return wishes
}

// classes are those of the devices that the kind asks for.
func (k *kind) classes() []string {
	classes := map[string]bool{}
	for _, d := range k.spec.Devices {
		classes[d.Class] = true
	}
	return sorted(classes)
}

// requests returns the kind's requests for devices of a class, those for whole devices that differ in their number only as one.
func (k *kind) requests(class string) (out []berth.DeviceRequest) {
	for _, d := range k.spec.Devices {
		i := slices.IndexFunc(out, func(o berth.DeviceRequest) bool {
			return o.Count > 0 && d.Count > 0 && slices.Equal(o.Models, d.Models) && maps.Equal(o.Prefer, d.Prefer)
		})
		switch {
		case d.Class != class:
		case i >= 0:
			out[i].Count += d.Count
		default:
			out = append(out, d)
		}
	}
	return out
}

// chooseOf returns the devices of one class that the documentation promises: those of preferred models first, for a share then the
// fullest that suffices, and the first in the list.
func (k *kind) chooseOf(class string, n *modelNode, free []int64) ([]berth.DeviceShare, reasons) {
	any := func(*wish, int, int) int { return 0 }
	why := reasons{}
	code := func(wishes []wish) berth.Code {
		fits := func(healthy, room bool) bool {
			return assign(wishes, len(n.Devices), func(w *wish, i int) bool {
				return w.wants(n.Devices[i]) && !(healthy && n.Devices[i].Unhealthy) && (!room || w.fits(n, i, free))
			}, any, []int{}) != nil
		}
		switch {
		case fits(true, true):
			return berth.None
		case fits(true, false):
			return berth.DeviceTaken
		case fits(false, false):
			return berth.DeviceUnhealthy
		}
		return berth.NoDevice
	}
	var texts []string
	for _, d := range k.requests(class) {
		texts = append(texts, d.String())
		if c := code(slices.Repeat([]wish{{d}}, max(d.Count, 1))); c != berth.None {
			why[berth.Reason{Code: c, Subject: d.String()}] = true
		}
	}
	var wishes []wish
	for _, d := range k.requests(class) {
		wishes = append(wishes, slices.Repeat([]wish{{d}}, max(d.Count, 1))...)
	}
	if c := code(wishes); c != berth.None && len(why) == 0 {
		why[berth.Reason{Code: c, Subject: strings.Join(texts, " + ")}] = true
	}
	if len(why) > 0 {
		return nil, why
	}
	cells := n.cells()
	given := assign(wishes, len(n.Devices), func(w *wish, i int) bool {
		return w.wants(n.Devices[i]) && !n.Devices[i].Unhealthy && w.fits(n, i, free)
	}, func(w *wish, a, b int) int {
		c := cmp.Compare(w.weight(n.Devices[b]), w.weight(n.Devices[a]))
		if w.Count > 0 || c != 0 {
			return c
		}
		if c := cmp.Compare(free[a], free[b]); c != 0 {
			return c
		}
		for _, amount := range sorted(w.Amounts) {
			x, y := slices.Index(cells, cell{a, amount}), slices.Index(cells, cell{b, amount})
			if x < 0 || y < 0 {
				continue // nothing is asked of it that one of them has not
			}
			if c := cmp.Compare(free[x], free[y]); c != 0 {
				return c
			}
		}
		return 0
	}, []int{})
	var out []berth.DeviceShare
	for i := range n.Devices {
		if j := slices.Index(given, i); j >= 0 {
			out = append(out, n.share(i, &wishes[j]))
		}
	}
	return out, nil
}

// choose returns the grant that the documentation promises, with dynamic ports from the lowest number on.
func (k *kind) choose(n *modelNode, units []int64, ports portSet) (*berth.Grant, reasons) {
	out, why := new(berth.Grant), reasons{}
	for _, class := range k.classes() {
		shares, lacks := k.chooseOf(class, n, units)
		out.Devices = append(out.Devices, shares...)
		maps.Copy(why, lacks)
	}
	fixed, has := each(k.spec.Ports), within(n.Ports)
	for _, r := range k.spec.Ports {
		code := berth.None
		for _, p := range each([]berth.PortRange{r}) {
			switch {
			case !has(p):
				code = berth.NoPort
			case !ports(p) && code == berth.None:
				code = berth.PortTaken
			}
		}
		if code != berth.None {
			why[berth.Reason{Code: code, Subject: r.String()}] = true
		}
	}
	out.Ports = append(out.Ports, fixed...)
	dynamic, all := 0, 0
	for number := range uint16(100) { // beyond those that a node of the model has
		p := berth.Port{Number: number}
		meets := func(q berth.Port) bool { return meet(p, q) }
		if slices.ContainsFunc(fixed, meets) {
			continue
		}
		if has(p) {
			all++
		}
		if ports(p) && dynamic < k.spec.DynamicPorts {
			out.Ports = append(out.Ports, p)
			dynamic++
		}
	}
	if dynamic < k.spec.DynamicPorts {
		code := berth.PortTaken
		if all < k.spec.DynamicPorts {
			code = berth.NoPort
		}
		why[berth.Reason{Code: code, Subject: fmt.Sprintf("%d of any number", k.spec.DynamicPorts)}] = true
	}
	if len(why) > 0 {
		return nil, why
	}
	return out, nil
}

// share is what a wish takes of the device at an index.
func (n *modelNode) share(index int, w *wish) berth.DeviceShare {
	d, place := n.Devices[index], 0
	for _, o := range n.Devices[:index] {
		if o.Class == d.Class {
			place++
		}
	}
	s := berth.DeviceShare{Class: d.Class, ID: cmp.Or(d.ID, fmt.Sprint(place)), Units: w.takes(cell{}, d)}
	for amount := range d.Capacity {
		if q := w.takes(cell{index, amount}, d); q > 0 {
			if s.Amounts == nil {
				s.Amounts = berth.Resources{}
			}
			s.Amounts[amount] = q
		}
	}
	return s
}

func (k *kind) grants() bool {
	return len(k.spec.Devices)+len(k.spec.Ports)+k.spec.DynamicPorts > 0
}

// valid reports whether a grant is exactly what the kind asks for and no more than there is.
func (k *kind) valid(n *modelNode, g *berth.Grant, units []int64, ports portSet) bool {
	byClass := map[string][]berth.DeviceShare{}
	seen := map[int]bool{}
	for _, s := range g.Devices {
		at, healthy := n.find(s)
		if !healthy || seen[at] {
			return false
		}
		seen[at] = true
		for i, c := range n.cells() {
			if c.device == at && c.of(s) > units[i] {
				return false
			}
		}
		byClass[s.Class] = append(byClass[s.Class], s)
	}
	for _, class := range k.classes() {
		shares, wishes := byClass[class], k.wishes(class)
		delete(byClass, class)
		good := func(w *wish, i int) bool {
			at, _ := n.find(shares[i])
			want := n.share(at, w)
			return w.wants(n.Devices[at]) && want.Units == shares[i].Units && maps.Equal(want.Amounts, shares[i].Amounts)
		}
		if len(shares) != len(wishes) || assign(wishes, len(shares), good, func(*wish, int, int) int { return 0 }, []int{}) == nil {
			return false
		}
	}
	if len(byClass) > 0 {
		return false
	}
	fixed, dynamic := each(k.spec.Ports), 0
	missing := len(fixed)
	for i, p := range g.Ports {
		meets := func(q berth.Port) bool { return meet(p, q) }
		if slices.ContainsFunc(g.Ports[:i], meets) || !ports(p) {
			return false
		}
		switch {
		case slices.Contains(fixed, p):
			missing--
		case slices.ContainsFunc(fixed, meets) || p.Protocol != berth.AllProtocols || p.Address != "":
			return false
		default:
			dynamic++
		}
	}
	return missing == 0 && dynamic == k.spec.DynamicPorts
}
