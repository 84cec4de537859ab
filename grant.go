package berth

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Grant is the particular devices and ports a task got. It must not be changed.
type Grant struct {
	Devices []DeviceShare // by class, those of one class in the order of the node's list
	Ports   []Port        // those asked for by number first, then the dynamic ones, each ascending
}

// DeviceShare is a part of a device, which its class and [Device].ID name on its node. Of a device that the node
// no longer has it stays, and says what the task was given.
type DeviceShare struct {
	Class string
	ID    string
	Units int64 // of its [DeviceUnits]; 0 for who has amounts only
	// Amounts are of those that the device has beside its units; nil if it has none.
	Amounts Resources
}

// Device returns the name of the device that the share is of, "gpu/0", which no other device of its node has.
func (d DeviceShare) Device() string { return quoted(d.Class, "") + "/" + quoted(d.ID, "/") }

// String prints "gpu/0:500" and, with amounts, "gpu/0:500,memory=1024", names in quotes where they would not read back.
func (d DeviceShare) String() string {
	s := d.Device() + ":" + strconv.FormatInt(d.Units, 10)
	for amount, q := range d.Amounts.All() {
		s += "," + quoted(amount, "") + "=" + strconv.FormatInt(q, 10)
	}
	return s
}

// quoted returns a name as it is or, if it has what stands between names, a quote or one of some more characters, in quotes.
func quoted(name, more string) string {
	if strings.ContainsFunc(name, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }) ||
		strings.ContainsAny(name, `",|`) || more != "" && strings.ContainsAny(name, more) {
		return strconv.Quote(name)
	}
	return name
}

// MarshalText returns what String prints.
func (d DeviceShare) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what String prints. It fails, and leaves d as it is, for anything else, and for a share that is at fault.
func (d *DeviceShare) UnmarshalText(text []byte) error {
	share, err := parseShare(string(text))
	switch {
	case err != nil:
	case share.String() != string(text):
		err = errNotPrinted
	default:
		err = errors.Join(shareFaults([]DeviceShare{share})...)
	}
	if err != nil {
		return fmt.Errorf("device share %q: %w", text, err)
	}
	*d = share
	return nil
}

var errNotPrinted = errors.New("not as it would be printed")

func parseShare(text string) (DeviceShare, error) {
	var d DeviceShare
	parts := splitOutside(text, ',')
	colon := lastOutside(parts[0], ':')
	if colon < 0 {
		return d, errors.New("no ':' before the units")
	}
	slash := lastOutside(parts[0][:colon], '/')
	if slash < 0 {
		return d, errors.New("no '/' between class and ID")
	}
	var err [3]error
	d.Class, err[0] = unquoted(parts[0][:slash])
	d.ID, err[1] = unquoted(parts[0][slash+1 : colon])
	d.Units, err[2] = strconv.ParseInt(parts[0][colon+1:], 10, 64)
	if err := errors.Join(err[:]...); err != nil {
		return d, err
	}
	for _, part := range parts[1:] {
		equals := lastOutside(part, '=')
		if equals < 0 {
			return d, fmt.Errorf("amount %q: no '='", part)
		}
		name, err := unquoted(part[:equals])
		if err != nil {
			return d, err
		}
		q, err := strconv.ParseInt(part[equals+1:], 10, 64)
		if err != nil {
			return d, fmt.Errorf("amount %q: %w", name, err)
		}
		if _, again := d.Amounts[name]; again {
			return d, fmt.Errorf("amount %q: given twice", name)
		}
		if d.Amounts == nil {
			d.Amounts = Resources{}
		}
		d.Amounts[name] = q
	}
	return d, nil
}

// unquoted reads a name that may be in quotes.
func unquoted(name string) (string, error) {
	if !strings.HasPrefix(name, `"`) {
		return name, nil
	}
	plain, err := strconv.Unquote(name)
	if err != nil {
		return "", fmt.Errorf("name %s: %w", name, err)
	}
	return plain, nil
}

// outside yields where a byte stands outside quotes.
func outside(text string, b byte) func(func(int) bool) {
	return func(yield func(int) bool) {
		in := false
		for i := 0; i < len(text); i++ {
			switch {
			case in && text[i] == '\\':
				i++
			case text[i] == '"':
				in = !in
			case !in && text[i] == b && !yield(i):
				return
			}
		}
	}
}

func lastOutside(text string, b byte) int {
	last := -1
	for i := range outside(text, b) {
		last = i
	}
	return last
}

func splitOutside(text string, b byte) []string {
	var parts []string
	from := 0
	for i := range outside(text, b) {
		parts = append(parts, text[from:i])
		from = i + 1
	}
	return append(parts, text[from:])
}

// Clone returns a copy of g that shares nothing with it; nil of nil.
func (g *Grant) Clone() *Grant {
	if g == nil {
		return nil
	}
	return &Grant{Devices: cloneShares(g.Devices), Ports: slices.Clone(g.Ports)}
}

func cloneShares(shares []DeviceShare) []DeviceShare {
	shares = slices.Clone(shares)
	for i := range shares {
		if d := &shares[i]; d.Amounts != nil {
			d.Amounts = d.Amounts.Clone()
		}
	}
	return shares
}

// Err returns every fault of the grant joined into one error, or nil; none for no grant.
func (g *Grant) Err() error {
	if g == nil {
		return nil
	}
	errs := shareFaults(g.Devices)
	errs = slices.AppendSeq(errs, faultyPorts(g.Ports))
	return errors.Join(errs...)
}

// String prints the devices joined by "|", and the ports: "gpu/0:1000|gpu/1:500 ports [8000 8001/tcp]".
func (g *Grant) String() string {
	if g == nil {
		return ""
	}
	var b strings.Builder
	for i, d := range g.Devices {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(d.String())
	}
	if len(g.Ports) > 0 {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, portsWord+"%v", g.Ports)
	}
	return b.String()
}

// portsWord stands before the list of ports.
const portsWord = "ports "

// MarshalText returns what String prints.
func (g *Grant) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads what String prints. It fails, and leaves g as it is, for anything else, and for a grant that is at fault.
func (g *Grant) UnmarshalText(text []byte) error {
	read, err := parseGrant(string(text))
	switch {
	case err != nil:
	case read.String() != string(text):
		err = errNotPrinted
	default:
		err = read.Err()
	}
	if err != nil {
		return fmt.Errorf("grant %q: %w", text, err)
	}
	*g = read
	return nil
}

func parseGrant(text string) (Grant, error) {
	var g Grant
	devices, ports := text, ""
	if strings.HasPrefix(text, portsWord) {
		devices, ports = "", text
	} else {
		for space := range outside(text, ' ') {
			devices, ports = text[:space], text[space+1:]
			break
		}
	}
	if devices != "" {
		for _, part := range splitOutside(devices, '|') {
			d, err := parseShare(part)
			if err != nil {
				return g, err
			}
			g.Devices = append(g.Devices, d)
		}
	}
	if ports == "" {
		return g, nil
	}
	list := strings.TrimSuffix(strings.TrimPrefix(ports, portsWord+"["), "]")
	for word := range strings.SplitSeq(list, " ") {
		var p Port
		if err := p.UnmarshalText([]byte(word)); err != nil {
			return g, err
		}
		g.Ports = append(g.Ports, p)
	}
	return g, nil
}

// shareFaults returns what is wrong with shares that one hold or task has on one node.
func shareFaults(shares []DeviceShare) []error {
	var errs []error
	type name struct{ class, id string }
	seen := make(map[name]bool, len(shares))
	for _, d := range shares {
		name := name{d.Class, d.ID}
		none := d.Units == 0 && len(d.Amounts) == 0
		if d.Class == "" || d.ID == "" || none || d.Units < 0 || d.Units > DeviceUnits || seen[name] {
			errs = append(errs, fmt.Errorf("device %s %q: %d units are not a share of a device named once", d.Class, d.ID, d.Units))
		}
		seen[name] = true
		for amount, q := range d.Amounts.All() {
			if err := checkName("amount", amount); err != nil || q <= 0 {
				errs = append(errs, cmp.Or(err, fmt.Errorf("device %s %q: amount %q: %d is not positive", d.Class, d.ID, amount, q)))
			}
		}
	}
	return errs
}
