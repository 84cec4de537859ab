package berth

import (
	"strconv"
	"strings"
)

// Nest adds attributes for domains that lie within others, the outermost first: of {"zone": "a", "rack": "r1"}, Nest("zone", "rack")
// adds "zone/rack" with the value "a/r1", and so makes two domains of racks of one name in two zones. Of more names it adds one for
// each level from the second on. It writes to a, which it returns, and costs as much as there are names.
//
// Where a part is missing there is none for its level and those within. A part that has a slash or a quote in it, or is the text
// of a number, is quoted, so that different parts never make one value.
func (a Attributes) Nest(names ...string) Attributes {
	var name, value string
	for i, part := range names {
		raw, ok := a[part]
		v, err := ValueOf(raw)
		if !ok || err != nil {
			break
		}
		if i > 0 {
			name += "/"
			value += "/"
		}
		name += part
		value += nested(v)
		if i > 0 {
			a[name] = value
		}
	}
	return a
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
