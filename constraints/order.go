package constraints

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// Less allows nodes whose attribute is below value. Below a number are numbers, and texts that read as one, as the labels
// of Kubernetes do; other texts are refused. Below a text are values whose own text comes before it in the order of bytes, in
// which "v10" comes before "v9": for releases there is [Version]. A number in quotes is a fault, for it could mean either.
func Less(attribute string, value any) Comparison { return compare(attribute, less, value) }

// AtMost allows nodes whose attribute is not above value, in the order of [Less].
func AtMost(attribute string, value any) Comparison { return compare(attribute, atMost, value) }

// Greater allows nodes whose attribute is above value, in the order of [Less].
func Greater(attribute string, value any) Comparison { return compare(attribute, greater, value) }

// AtLeast allows nodes whose attribute is not below value, in the order of [Less].
func AtLeast(attribute string, value any) Comparison { return compare(attribute, atLeast, value) }

// orders reports whether the operator compares sizes.
func (op operator) orders() bool {
	return op == less || op == atMost || op == greater || op == atLeast
}

// bound is what a value is compared with in size: a number or a text.
type bound struct {
	number float64
	text   string
	isText bool
}

// set makes the bound that of a value, and says what is wrong with it.
func (b *bound) set(v berth.Value) (fault string) {
	if number, ok := v.Number(); ok {
		b.number = number
		return ""
	}
	b.text, b.isText = v.String(), true
	if _, ok := numberOf(v); ok {
		return fmt.Sprintf("value %q is a number in quotes: without them numbers are compared, with them the order is that of bytes", v)
	}
	return ""
}

// orders reports whether a value is on the side of the bound that the operator asks for.
func (c Comparison) orders(v berth.Value) bool {
	var side int
	if c.bound.isText {
		side = strings.Compare(v.String(), c.bound.text)
	} else {
		number, ok := numberOf(v)
		if !ok {
			return false
		}
		switch {
		case number < c.bound.number:
			side = -1
		case number > c.bound.number:
			side = 1
		}
	}
	switch c.op {
	case less:
		return side < 0
	case atMost:
		return side <= 0
	case greater:
		return side > 0
	case atLeast:
		return side >= 0
	}
	return false
}

// numberOf returns a value as a number, where it is one or is the text of one: decimal, with an exponent or without.
func numberOf(v berth.Value) (float64, bool) {
	if number, ok := v.Number(); ok {
		return number, true
	}
	text := v.String()
	for i := range len(text) {
		if c := text[i]; !lex.IsDigit(c) && !lex.IsSign(c) && c != '.' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}
