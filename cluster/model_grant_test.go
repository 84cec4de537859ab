package cluster_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
)

func (d *wish) accepts(dev berth.Device) bool { return !dev.Unhealthy && d.wants(dev) }

func (d *wish) wants(dev berth.Device) bool {
	return dev.Class == d.Class && (len(d.Models) == 0 || slices.Contains(d.Models, dev.Model))
}

type wish struct{ berth.DeviceRequest }

// choose returns the grant that the documentation promises: shares on the fullest device that suffices,
// whole devices and dynamic ports from the lowest number on.
func (k *kind) choose(n *modelNode, units []int64, ports map[uint16]bool) (*berth.Grant, reasons) {
	out, why := new(berth.Grant), reasons{}
	for _, r := range k.spec.Devices {
		d := wish{r}
		var fit []int
		all, healthy := 0, 0
		for i, dev := range n.Devices {
			if d.wants(dev) {
				all++
			}
			if d.accepts(dev) {
				healthy++
			}
			if d.accepts(dev) && (d.Count > 0 && units[i] == 1000 || d.Share > 0 && units[i] >= d.Share) {
				fit = append(fit, i)
			}
		}
		if len(fit) < max(d.Count, 1) {
			code := berth.DeviceTaken
			if all < max(d.Count, 1) {
				code = berth.NoDevice
			} else if healthy < max(d.Count, 1) {
				code = berth.DeviceUnhealthy
			}
			why[berth.Reason{Code: code, Subject: r.String()}] = true
			continue
		}
		if d.Share > 0 {
			slices.SortStableFunc(fit, func(a, b int) int { return cmp.Compare(units[a], units[b]) })
			out.Devices = append(out.Devices, n.share(fit[0], d.Share))
			continue
		}
		for _, i := range fit[:d.Count] {
			out.Devices = append(out.Devices, n.share(i, 1000))
		}
	}
	fixed := slices.Sorted(maps.Keys(numbers(k.spec.Ports)))
	has := numbers(n.Ports)
	for _, r := range k.spec.Ports {
		code := berth.None
		for p := r.First; p <= r.Last; p++ {
			switch {
			case !has[p]:
				code = berth.NoPort
			case !ports[p] && code == berth.None:
				code = berth.PortTaken
			}
		}
		if code != berth.None {
			why[berth.Reason{Code: code, Subject: r.String()}] = true
		}
	}
	out.Ports = append(out.Ports, fixed...)
	dynamic := 0
	for _, p := range slices.Sorted(maps.Keys(ports)) {
		if !slices.Contains(fixed, p) && dynamic < k.spec.DynamicPorts {
			out.Ports = append(out.Ports, p)
			dynamic++
		}
	}
	if dynamic < k.spec.DynamicPorts {
		code := berth.PortTaken
		maps.DeleteFunc(has, func(p uint16, _ bool) bool { return slices.Contains(fixed, p) })
		if len(has) < k.spec.DynamicPorts {
			code = berth.NoPort
		}
		why[berth.Reason{Code: code, Subject: fmt.Sprintf("%d of any number", k.spec.DynamicPorts)}] = true
	}
	if len(why) > 0 {
		return nil, why
	}
	return out, nil
}

// share is units of the device at an index.
func (n *modelNode) share(index int, units int64) berth.DeviceShare {
	d, place := n.Devices[index], 0
	for _, o := range n.Devices[:index] {
		if o.Class == d.Class {
			place++
		}
	}
	return berth.DeviceShare{Class: d.Class, ID: cmp.Or(d.ID, fmt.Sprint(place)), Units: units}
}

func (k *kind) grants() bool {
	return len(k.spec.Devices)+len(k.spec.Ports)+k.spec.DynamicPorts > 0
}

// valid reports whether a grant is exactly what the kind asks for and no more than there is.
func (k *kind) valid(n *modelNode, g *berth.Grant, units []int64, ports map[uint16]bool) bool {
	byClass := map[string][]berth.DeviceShare{}
	seen := map[int]bool{}
	for _, s := range g.Devices {
		i, healthy := n.find(s)
		if !healthy || seen[i] || s.Units <= 0 || s.Units > units[i] {
			return false
		}
		seen[i] = true
		byClass[s.Class] = append(byClass[s.Class], s)
	}
	for _, r := range k.spec.Devices {
		d, shares := wish{r}, byClass[r.Class]
		delete(byClass, r.Class)
		if len(shares) != max(d.Count, 1) {
			return false
		}
		for _, s := range shares {
			if i, _ := n.find(s); !d.accepts(n.Devices[i]) || s.Units != cmp.Or(d.Share, 1000) {
				return false
			}
		}
	}
	if len(byClass) > 0 {
		return false
	}
	fixed, count := numbers(k.spec.Ports), map[uint16]int{}
	missing := len(fixed)
	for _, p := range g.Ports {
		if count[p]++; count[p] > 1 || !ports[p] {
			return false
		}
		if fixed[p] {
			missing--
		}
	}
	return missing == 0 && len(g.Ports) == len(fixed)+k.spec.DynamicPorts
}
