package berth

import (
	"strconv"
	"strings"
)

// Nest adds attributes for domains that lie within others, the outermost first: of {"zone": "a", "rack": "r1"}, Nest("zone", "rack")
// adds "zone/rack" with the value "a/r1", and so makes two domains of racks of one name in two zones. Of more names it adds one for
// each level from the second on, under the name that [Nested] returns. It writes to a, which it returns, and costs as much as there are
// names.
//
// Where a part is missing there is none for its level and those within. A part that has a slash or a quote in it, or is the text
// of a number, is quoted, so that different parts never make one value.
func (a Attributes) Nest(names ...string) Attributes {
	var value string
	for i, part := range names {
		raw, ok := a[part]
		v, err := ValueOf(raw)
		if !ok || err != nil {
			break
		}
		if i > 0 {
			value += "/"
		}
		value += nested(v)
		if i > 0 {
			a[Nested(names[:i+1]...)] = value
		}
	}
	return a
}

// Nested returns the name of the attribute that [Attributes.Nest] makes of some: those names with slashes between them. One that has a
// slash or a quote in it is quoted, so that others never make the same: Nested("topology.kubernetes.io/zone", "rack") is
// "topology.kubernetes.io/zone" in quotes, a slash and rack.
func Nested(names ...string) string {
	parts := make([]string, len(names))
	for i, part := range names {
		if parts[i] = part; strings.ContainsAny(part, `/"`) {
			parts[i] = strconv.Quote(part)
		}
	}
	return strings.Join(parts, "/")
}

// nested returns how a value stands in that of a nested domain.
func nested(v Value) string {
	text := v.String()
	if _, isNumber := v.Number(); isNumber {
		return text
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil || strings.ContainsAny(text, `/"`) {
		return strconv.Quote(text)
	}
	return text
}
