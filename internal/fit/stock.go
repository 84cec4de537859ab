package fit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
)

// DeviceReason says why n cannot serve a request by itself, given that too little is free: it does not have the devices, too few of
// them are healthy, or they are taken. Which of these depends on n alone.
func DeviceReason(d *berth.DeviceRequest, n *berth.Node) berth.Reason {
	var s stock
	for i := range n.Devices {
		if dev := &n.Devices[i]; isAskedFor(d, dev) {
			if s.all++; !dev.Unhealthy {
				s.healthy++
			}
		}
	}
	return s.reason(d)
}

// devicesReason returns the first reason why n cannot serve the requests for devices.
func devicesReason(r *berth.Requirements, n *berth.Node, free []int64) berth.Reason {
	for l := range StocksOf(r, n, free, false).lacks(r, n, free, nil) {
		return l.Reason
	}
	return berth.Reason{}
}

// stock is what a node has for a request for devices.
type stock struct {
	seen      int // devices of the class
	all       int // of them those that are asked for
	healthy   int
	fitting   int // healthy ones with room for the request
	whole     int // healthy ones of which nothing is taken
	most      berth.DeviceRequest
	others    []string // models that are not asked for
	unhealthy []string
}

// Stocks are what a node has for each request for devices.
type Stocks []stock

// stocksOf returns the Stocks of a node, of the details only if they are wanted. It looks at each device once for each request of
// its class.
func StocksOf(r *berth.Requirements, n *berth.Node, free []int64, detail bool) Stocks {
	out := make(Stocks, len(r.Devices))
	for i, amounts := 0, len(n.Devices); i < len(n.Devices); i++ {
		dev := &n.Devices[i]
		from, to := r.RequestsOf(dev.Class)
		for j := from; j < to; j++ {
			out[j].look(&r.Devices[j], dev, free, i, amounts, detail)
		}
		amounts += len(dev.Capacity)
	}
	return out
}

// look looks at the next device of the class.
func (s *stock) look(d *berth.DeviceRequest, dev *berth.Device, free []int64, index, at int, detail bool) {
	place := s.seen
	s.seen++
	if !isAskedFor(d, dev) {
		if detail && !slices.Contains(s.others, dev.Model) {
			s.others = append(s.others, dev.Model)
		}
		return
	}
	s.all++
	switch {
	case !dev.Unhealthy:
		s.healthy++
	case detail:
		s.unhealthy = append(s.unhealthy, dev.Class+"/"+deviceID(dev, place))
	}
	if index >= len(free) || dev.Unhealthy {
		return
	}
	if fits(d, dev, free, index, at) {
		s.fitting++
	}
	if fits(&berth.DeviceRequest{Count: 1}, dev, free, index, at) {
		s.whole++
	}
	s.most.Share = max(s.most.Share, free[index])
	if !detail || at+len(dev.Capacity) > len(free) {
		return
	}
	for amount := range dev.Capacity {
		if s.most.Amounts == nil {
			s.most.Amounts = berth.Resources{}
		}
		s.most.Amounts[amount] = max(s.most.Amounts[amount], freeOf(amount, dev, free, at))
	}
}

// serves reports whether there is enough for a request by itself.
func (s *stock) serves(d *berth.DeviceRequest) bool { return s.fitting >= max(d.Count, 1) }

// reason says why there is not.
func (s *stock) reason(d *berth.DeviceRequest) berth.Reason {
	why := berth.Reason{Code: berth.DeviceTaken, Subject: d.String()}
	switch want := max(d.Count, 1); {
	case s.all < want:
		why.Code = berth.NoDevice
	case s.healthy < want:
		why.Code = berth.DeviceUnhealthy
	}
	return why
}

// lack is reason with what there is instead.
func (s *stock) lack(d *berth.DeviceRequest) berth.Lack {
	l := berth.Lack{Reason: s.reason(d)}
	switch l.Reason.Code {
	case berth.NoDevice:
		if s.all > 0 { // then whole devices are asked for: one would do for a share
			l.Short = int64(d.Count-s.whole) * berth.DeviceUnits
		}
		l.Detail = fmt.Sprintf("it has %d", s.all)
		if slices.Sort(s.others); len(s.others) > 0 {
			l.Detail += " and others: " + Few(s.others)
		}
	case berth.DeviceUnhealthy:
		l.Detail = "unhealthy: " + Few(s.unhealthy)
	default:
		if l.Detail = fmt.Sprintf("%d of %d free", s.whole, s.all); d.Count == 0 {
			s.most.Class = d.Class
			l.Detail = "at most " + s.most.String() + " free"
		}
		if len(s.unhealthy) > 0 {
			l.Detail += ", unhealthy: " + Few(s.unhealthy)
		}
	}
	return l
}

// Serve reports whether the requests of one class, from one on to before another, can all be served at once.
func (has Stocks) Serve(r *berth.Requirements, from, to int, n *berth.Node, free []int64) bool {
	for j := from; j < to; j++ {
		if !has[j].serves(&r.Devices[j]) {
			return false
		}
	}
	return to-from < 2 || servesTogether(r.Devices[from:to], n, free, withRoom)
}

// lacks yields what the node lacks of the devices, with details if tell is there to tell them: of each request that it cannot
// serve by itself and, of a class whose requests it can serve one by one but not together, of those. No two reasons are alike.
func (has Stocks) lacks(r *berth.Requirements, n *berth.Node, free []int64, tell *Details) func(func(berth.Lack) bool) {
	return func(yield func(berth.Lack) bool) {
		for from := 0; from < len(r.Devices); {
			_, to := r.RequestsOf(r.Devices[from].Class)
			requests, alone := r.Devices[from:to], true
			for j := range requests {
				d, s := &requests[j], &has[from+j]
				if s.serves(d) {
					continue
				}
				alone = false
				l := berth.Lack{Reason: s.reason(d)}
				if said := func(o berth.DeviceRequest) bool { return o.String() == l.Reason.Subject }; slices.ContainsFunc(requests[:j], said) {
					continue
				}
				if tell != nil {
					l = s.lack(d)
					l.Detail += tell.strays(n, d.Class)
				}
				if !yield(l) {
					return
				}
			}
			if alone && to-from > 1 && !servesTogether(requests, n, free, withRoom) && !yield(has[from:to].together(requests, n, free, tell)) {
				return
			}
			from = to
		}
	}
}

// DeviceReasons returns why n cannot serve the requests for devices of a group, and of each request whether those of its class can
// be served all at once.
func DeviceReasons(g *berth.Group, n *berth.Node, free []int64) (reasons []berth.Reason, served []bool) {
	r := g.Requirements()
	has := StocksOf(r, n, free, false)
	for l := range has.lacks(r, n, free, nil) {
		reasons = append(reasons, l.Reason)
	}
	for from := 0; from < len(r.Devices); {
		_, to := r.RequestsOf(r.Devices[from].Class)
		ok := has.Serve(r, from, to, n, free)
		for range to - from {
			served = append(served, ok)
		}
		from = to
	}
	return reasons, served
}

// together says why requests of one class cannot be served at once, though each can by itself.
func (has Stocks) together(requests []berth.DeviceRequest, n *berth.Node, free []int64, tell *Details) berth.Lack {
	texts := make([]string, len(requests))
	for j := range requests {
		texts[j] = requests[j].String()
	}
	l := berth.Lack{Reason: berth.Reason{Code: berth.DeviceTaken, Subject: strings.Join(texts, " + ")}}
	switch {
	case !servesTogether(requests, n, free, everThere):
		l.Reason.Code = berth.NoDevice
	case !servesTogether(requests, n, free, whenIdle):
		l.Reason.Code = berth.DeviceUnhealthy
	}
	if tell == nil {
		return l
	}
	l.Detail = "each can be had, but not together"
	var unhealthy []string
	for j := range has {
		for _, id := range has[j].unhealthy {
			if !slices.Contains(unhealthy, id) {
				unhealthy = append(unhealthy, id)
			}
		}
	}
	if len(unhealthy) > 0 {
		l.Detail += ", unhealthy: " + Few(unhealthy)
	}
	l.Detail += tell.strays(n, requests[0].Class)
	return l
}

// Few joins the first few of a list.
func Few(list []string) string {
	const most = 3
	if more := len(list) - most; more > 0 {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(", %d more", more)
	}
	return strings.Join(list, ", ")
}
