package fit

import (
	"slices"

	"github.com/berth-sched/berth"
)

// WaitsForRoom reports whether room alone is lacking, and others have it.
func WaitsForRoom(lacks []berth.Lack) bool {
	return len(lacks) > 0 && !slices.ContainsFunc(lacks, func(l berth.Lack) bool { return !isTaken(l.Reason.Code) })
}

// Keepers returns groups of tasks that keep the room of a task of g on a node, the one that keeps the most first: they take what is free there of what it
// takes, given all that it lacks. Of devices it is not known which are free, so a group with fewer comes behind one with more. They have a name, the
// role of g and its tolerations, and neither labels nor other rules.
func Keepers(name string, g *berth.Group, lacks []berth.Lack) (keepers []*berth.Group) {
	part := g.Spec()
	part = berth.GroupSpec{Role: part.Role, Request: part.Request, Devices: part.Devices, Ports: part.Ports, DynamicPorts: part.DynamicPorts}
	for _, t := range g.Requirements().Tolerations {
		part.Rules = append(part.Rules, t)
	}
	var short []int // the requests for devices of which some are lacking
	for _, l := range lacks {
		what := l.Reason.Subject
		q, plain := part.Request[what]
		device := slices.IndexFunc(part.Devices, func(d berth.DeviceRequest) bool { return d.String() == what })
		port := slices.IndexFunc(part.Ports, func(p berth.PortRange) bool { return p.String() == what })
		switch {
		case l.Reason.Code == berth.Insufficient && plain && q > l.Short:
			part.Request[what] = q - l.Short
		case l.Reason.Code == berth.Insufficient && plain:
			delete(part.Request, what)
		case l.Reason.Code == berth.PortTaken && port >= 0:
			part.Ports = slices.Delete(part.Ports, port, port+1)
		case l.Reason.Code == berth.PortTaken:
			part.DynamicPorts = 0
		case l.Reason.Code == berth.DeviceTaken && device >= 0:
			short = append(short, device)
		default: // units or amounts of devices, of none in particular
			part.Devices, short = nil, nil
		}
	}
	add := func(devices []berth.DeviceRequest) {
		if part.Devices = devices; len(part.Request)+len(part.Devices)+len(part.Ports)+part.DynamicPorts > 0 {
			keepers = append(keepers, berth.NewGroup(name, part))
		}
	}
	devices := part.Devices
	if len(short) == 0 {
		add(devices)
	}
	for most := len(short); most > 0; { // one device less at a time
		most = 0
		var rest []berth.DeviceRequest
		for i := range devices {
			if slices.Contains(short, i) {
				devices[i].Count--
				most = max(most, devices[i].Count)
				if devices[i].Count <= 0 {
					continue
				}
			}
			rest = append(rest, devices[i])
		}
		add(rest)
	}
	if len(devices) > 0 {
		add(nil)
	}
	return keepers
}
