package trace

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxFaults is how many faults of one file are reported; the rest are counted.
const MaxFaults = 20

// table walks the lines of a CSV file and collects their faults. Its getters return zero values for
// what is at fault, so that all of a line is looked at.
type table struct {
	lines
	columns int            // of the header
	column  map[string]int // by name, of the columns that are read
	named   []string       // of these, those whose names begin as the reader has it, in order
	names   map[string]int // the line that each name was first on
	totals  map[string]int64
	faults  []error
	more    int  // faults beyond MaxFaults
	dead    bool // nothing more can be read
}

// newTable reads the header. Columns are read that are named, and those whose names begin with one of some texts.
func newTable(file string, r io.Reader, required, optional []string, beginnings ...string) *table {
	return tableOf(csvOf(file, r), required, optional, beginnings...)
}

func csvOf(file string, r io.Reader) *lines { return &lines{file: file, r: bufio.NewReader(r)} }

func tableOf(from *lines, required, optional []string, beginnings ...string) *table {
	t := &table{lines: *from, column: map[string]int{}, names: map[string]int{}, totals: map[string]int64{}}
	file := t.file
	if err := t.lines.next(); err != nil {
		t.dead = true
		if err == io.EOF {
			err = fmt.Errorf("%s: empty file, a header line is needed", file)
		}
		t.add(err)
		return t
	}
	t.columns = len(t.fields)
	for i, f := range t.fields {
		name := f.text
		if i == 0 {
			name = strings.TrimPrefix(name, "\ufeff") // a byte order mark, as spreadsheets write it
		}
		begins := slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(name, b) })
		if !slices.Contains(required, name) && !slices.Contains(optional, name) && !begins {
			continue
		}
		if _, twice := t.column[name]; twice {
			t.faultAt(i, name, "", "column given twice")
		} else if begins {
			t.named = append(t.named, name)
		}
		t.column[name] = i
	}
	for _, name := range required {
		if _, ok := t.column[name]; !ok {
			t.add(fmt.Errorf("%s:%d: column %s is missing", file, t.line, name))
		}
	}
	t.dead = len(t.faults) > 0 // without its columns, every line would be at fault
	return t
}

// next moves to the next line that can be read as one, and reports whether there is one.
func (t *table) next() bool {
	for !t.dead {
		err := t.lines.next()
		switch {
		case err == nil && len(t.fields) == t.columns:
			return true
		case err == nil:
			t.add(fmt.Errorf("%s:%d: not as many fields as the header has columns", t.file, t.line))
		case err == io.EOF:
			return false
		default:
			t.add(err)
			t.dead = !errors.Is(err, csv.ErrQuote) && !errors.Is(err, csv.ErrBareQuote)
		}
	}
	return false
}

// text returns a column's text; empty if the file does not have the column.
func (t *table) text(column string) string {
	i, ok := t.column[column]
	if !ok {
		return ""
	}
	s := t.fields[i].text
	switch {
	case !utf8.ValidString(s):
		t.fault(column, "not UTF-8")
	case strings.TrimSpace(s) != s:
		t.fault(column, "leading or trailing space")
	case strings.ContainsFunc(s, unicode.IsControl):
		t.fault(column, "control character")
	}
	return s
}

// name returns a column's text, which must not be empty or on an earlier line.
func (t *table) name(column string) string {
	s := t.text(column)
	if s == "" {
		t.fault(column, "empty")
		return s
	}
	if first, twice := t.names[s]; twice {
		t.fault(column, "also on line "+strconv.Itoa(first))
		return s
	}
	t.names[s] = t.line
	return s
}

// quantity returns a column's whole number in units of size unit. It and those of the lines before must add
// up to an int64, since what a cluster has in all and what its tasks ask for in all are summed.
func (t *table) quantity(column string, unit int64) int64 {
	n, ok := t.number(column, math.MaxInt64/unit)
	if !ok {
		return 0
	}
	if n *= unit; n > math.MaxInt64-t.totals[column] {
		t.fault(column, "with the lines before, more than "+strconv.FormatInt(math.MaxInt64/unit, 10))
		return 0
	}
	t.totals[column] += n
	return n
}

// optional returns a column's whole number from 0 to most; 0 if the file does not have the column or the field is empty.
func (t *table) optional(column string, most int64) int64 {
	if i, ok := t.column[column]; !ok || t.fields[i].text == "" {
		return 0
	}
	n, _ := t.number(column, most)
	return n
}

// number returns a column's whole number from 0 to most, and whether it is one.
func (t *table) number(column string, most int64) (int64, bool) {
	s := t.fields[t.column[column]].text
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		t.fault(column, "not a whole number")
	case n < 0:
		t.fault(column, "negative")
	case err != nil || n > most:
		t.fault(column, "more than "+strconv.FormatInt(most, 10))
	default:
		return n, true
	}
	return 0, false
}

// fault notes what is wrong with a column of the present line.
func (t *table) fault(column, what string) {
	i := t.column[column]
	t.faultAt(i, column, t.fields[i].text, what)
}

func (t *table) faultAt(i int, column, value, what string) {
	if value != "" {
		const most = 60 // a broken file can have a field of any length
		if len(value) > most {
			value = value[:most] + "..."
		}
		column += " " + strconv.Quote(value)
	}
	line := t.line
	if t.fields[i].line > 0 {
		line = t.fields[i].line
	}
	t.add(fmt.Errorf("%s:%d:%d: %s: %s", t.file, line, t.fields[i].column, column, what))
}

func (t *table) add(err error) {
	if len(t.faults) == MaxFaults {
		t.more++
		return
	}
	t.faults = append(t.faults, err)
}

// count returns how many faults there are.
func (t *table) count() int { return len(t.faults) + t.more }

// err returns the faults joined into one error, or nil.
func (t *table) err() error {
	if t.more > 0 {
		return errors.Join(errors.Join(t.faults...), fmt.Errorf("%s: and %d more", t.file, t.more))
	}
	return errors.Join(t.faults...)
}
