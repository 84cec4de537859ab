package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// OwnJSON is the file of a cell in the format of this package, where it is one of JSON and not two of CSV: see [LoadOwn].
const OwnJSON = "berth_cell.json"

// ReadOwnJSON reads nodes and tasks of [LoadOwn] from a document of JSON. Its members are those of the columns, amounts as whole numbers and
// all else as strings; what has a prefix there is an object here:
//
//	{"nodes": [{"id": "n1", "cpu_milli": 4000, "memory_mib": 8192, "gpu": 2, "model": "T4",
//	            "resources": {"disk": 70}, "attributes": {"zone": "a"}}],
//	 "tasks": [{"id": "t1", "cpu_milli": 500, "memory_mib": 256, "num_gpu": 1, "gpu_milli": 300, "gpu_spec": "T4|P100",
//	            "resources": {"disk": 7}, "role": "web", "at_s": 0, "lives_s": 60, "batch": "b1"}]}
//
// A member that is none of these, or that is there twice, is at fault: a misspelt one would else count as absent. The file's name is for
// the errors.
func ReadOwnJSON(file string, r io.Reader) (*OwnCell, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	d := &jsonCell{file: file, text: text, in: json.NewDecoder(bytes.NewReader(text))}
	d.in.UseNumber()
	for i, b := range text {
		if b == '\n' {
			d.breaks = append(d.breaks, i)
		}
	}
	if err := d.document(); err != nil {
		return nil, errors.Join(d.err(), err)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	c := &OwnCell{Files: []string{file}}
	var nodeErr, jobErr error
	c.Nodes, nodeErr = ownNodes(ownTable(d.rows(file, nodeMembers, d.nodes), nodeMembers.optional(), resourceColumn, attributeColumn))
	c.Jobs, jobErr = ownTasks(ownTable(d.rows(file, taskMembers, d.tasks), taskMembers.optional(), resourceColumn))
	if err := errors.Join(nodeErr, jobErr); err != nil {
		return nil, err
	}
	return c, nil
}

// members are those that an object may have, and of which kind they are.
type members map[string]memberKind

type memberKind int

const (
	amountMember memberKind = iota + 1
	textMember
	amountsMember // an object of amounts, which stand for columns that begin with "resource:"
	textsMember   // an object of texts, which stand for columns that begin with "attribute:"
)

var (
	nodeMembers = members{"id": textMember, "cpu_milli": amountMember, "memory_mib": amountMember, "gpu": amountMember, "model": textMember,
		"resources": amountsMember, "attributes": textsMember}
	taskMembers = members{"id": textMember, "cpu_milli": amountMember, "memory_mib": amountMember, "num_gpu": amountMember, "gpu_milli": amountMember,
		"gpu_spec": textMember, "resources": amountsMember, "role": textMember, "at_s": amountMember, "lives_s": amountMember, "batch": textMember}
)

var ownRequired = []string{"id", "cpu_milli", "memory_mib"}

// optional returns the columns that a table may have.
func (m members) optional() (names []string) {
	for name, kind := range m {
		if !slices.Contains(ownRequired, name) && kind < amountsMember {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// jsonCell reads the document into records, of which tables are made that check them as they do lines of CSV.
type jsonCell struct {
	file         string
	text         []byte
	in           *json.Decoder
	breaks       []int // the offsets of the line breaks
	nodes, tasks []jsonRecord
	faults       []error
	more         int
}

// jsonRecord is an object, with its members by the names of their columns.
type jsonRecord struct {
	line, column int
	members      map[string]field
}

// place returns the line and the column of an offset, both from 1.
func (d *jsonCell) place(offset int) (line, column int) {
	line, _ = slices.BinarySearch(d.breaks, offset)
	from := 0
	if line > 0 {
		from = d.breaks[line-1] + 1
	}
	return line + 1, offset - from + 1
}

// at returns where the next token begins.
func (d *jsonCell) at() int {
	i := int(d.in.InputOffset())
	for i < len(d.text) && strings.IndexByte(" \t\r\n:,", d.text[i]) >= 0 {
		i++
	}
	return i
}

func (d *jsonCell) fault(offset int, format string, args ...any) {
	if len(d.faults) == MaxFaults {
		d.more++
		return
	}
	line, column := d.place(offset)
	d.faults = append(d.faults, fmt.Errorf("%s:%d:%d: %s", d.file, line, column, fmt.Sprintf(format, args...)))
}

func (d *jsonCell) err() error {
	if d.more > 0 {
		return errors.Join(errors.Join(d.faults...), fmt.Errorf("%s: and %d more", d.file, d.more))
	}
	return errors.Join(d.faults...)
}

// token returns the next token, or an error with its place, after which nothing can be read.
func (d *jsonCell) token() (json.Token, error) {
	at := d.at()
	t, err := d.in.Token()
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return t, nil
	case errors.As(err, &syntax):
		at = min(max(int(syntax.Offset)-1, at), len(d.text)) // that of the token, or within it
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		at, err = len(d.text), errors.New("the file is cut short")
	}
	line, column := d.place(at)
	return nil, fmt.Errorf("%s:%d:%d: %w", d.file, line, column, err)
}

// object reads an object, whose opening brace is next, and hands over each member's name and where its value begins; the value must be read.
func (d *jsonCell) object(what string, member func(name string, at int) error) error {
	begin := d.at()
	t, err := d.token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		d.fault(begin, "%s: not an object", what)
		return d.skip(t)
	}
	seen := map[string]bool{}
	for d.in.More() {
		at := d.at()
		t, err := d.token()
		if err != nil {
			return err
		}
		name := t.(string) // what the decoder gives in the place of a name
		if seen[name] {
			d.fault(at, "%s: given twice", short(name))
		}
		seen[name] = true
		if err := member(name, d.at()); err != nil {
			return err
		}
	}
	_, err = d.token()
	return err
}

// skip reads on to the end of a value that began with a token.
func (d *jsonCell) skip(t json.Token) error {
	depth := 0
	for {
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		var err error
		if t, err = d.token(); err != nil {
			return err
		}
	}
}

func (d *jsonCell) document() error {
	has := map[string]bool{}
	err := d.object("the document", func(name string, at int) error {
		has[name] = true
		switch name {
		case "nodes":
			return d.list(name, nodeMembers, &d.nodes)
		case "tasks":
			return d.list(name, taskMembers, &d.tasks)
		}
		d.fault(at, "%s: no member of a cell; there are nodes and tasks", short(name))
		return d.value()
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"nodes", "tasks"} {
		if !has[name] {
			d.fault(0, "%s is missing", name)
		}
	}
	if at := d.at(); at < len(d.text) {
		d.fault(at, "something behind the end of the document")
	}
	return nil
}

// value reads a value of any kind.
func (d *jsonCell) value() error {
	t, err := d.token()
	if err != nil {
		return err
	}
	return d.skip(t)
}

func (d *jsonCell) list(what string, kinds members, to *[]jsonRecord) error {
	begin := d.at()
	t, err := d.token()
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		d.fault(begin, "%s: not a list", what)
		return d.skip(t)
	}
	for d.in.More() {
		if err := d.record(kinds, to); err != nil {
			return err
		}
	}
	_, err = d.token()
	return err
}

func (d *jsonCell) record(kinds members, to *[]jsonRecord) error {
	begin := d.at()
	r := jsonRecord{members: map[string]field{}}
	r.line, r.column = d.place(begin)
	err := d.object("an element", func(name string, at int) error {
		switch kind := kinds[name]; kind {
		case amountMember, textMember:
			return d.scalar(&r, name, name, kind)
		case amountsMember, textsMember:
			prefix := map[memberKind]string{amountsMember: resourceColumn, textsMember: attributeColumn}[kind]
			return d.object(name, func(of string, _ int) error {
				return d.scalar(&r, name+"."+short(of), prefix+of, kind-2)
			})
		}
		d.fault(at, "%s: no member of it", short(name))
		return d.value()
	})
	if err != nil {
		return err
	}
	for _, name := range ownRequired {
		if _, ok := r.members[name]; !ok {
			d.fault(begin, "%s is missing", name)
		}
	}
	*to = append(*to, r)
	return nil
}

// scalar reads a number or a text into a column.
func (d *jsonCell) scalar(r *jsonRecord, name, column string, kind memberKind) error {
	at := d.at()
	t, err := d.token()
	if err != nil {
		return err
	}
	f := field{}
	f.line, f.column = d.place(at)
	switch v := t.(type) {
	case json.Number:
		f.text = v.String()
		if kind != amountMember {
			d.fault(at, "%s: a number, and not a string", name)
		}
	case string:
		f.text = v
		if kind != textMember {
			d.fault(at, "%s: a string, and not a number", name)
		}
	default:
		d.fault(at, "%s: not a %s", name, map[memberKind]string{amountMember: "number", textMember: "string"}[kind])
		if err := d.skip(t); err != nil {
			return err
		}
	}
	r.members[column] = f
	return nil
}

// rows makes lines of records: a header of all columns that any of them has, and a line for each.
func (d *jsonCell) rows(file string, kinds members, records []jsonRecord) *lines {
	named := map[string]bool{}
	for _, name := range append(kinds.optional(), ownRequired...) {
		named[name] = true
	}
	for _, r := range records {
		for name := range r.members {
			named[name] = true
		}
	}
	columns := make([]string, 0, len(named))
	delete(named, "id")
	for name := range named {
		columns = append(columns, name)
	}
	sort.Strings(columns)
	columns = slices.Insert(columns, 0, "id") // its line is the row's
	header := make([]field, len(columns))
	for i, name := range columns {
		header[i] = field{text: name, line: 1, column: 1}
	}
	l := &lines{file: file, rows: [][]field{header}}
	for _, r := range records {
		row := make([]field, len(columns))
		for i, name := range columns {
			f, ok := r.members[name]
			if !ok {
				f = field{line: r.line, column: r.column}
			}
			row[i] = f
		}
		l.rows = append(l.rows, row)
	}
	return l
}

// short is a text of somebody's, quoted if it is strange and cut if it is long.
func short(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "..."
	}
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// loadJSON reads the cell from its file.
func loadJSON(path string) (*OwnCell, error) {
	cells, err := read(path, func(file string, r io.Reader) ([]*OwnCell, error) {
		c, err := ReadOwnJSON(file, r)
		return []*OwnCell{c}, err
	})
	if err != nil {
		return nil, err
	}
	c := cells[0]
	var faults []error
	if len(c.Nodes) == 0 {
		faults = append(faults, fmt.Errorf("%s: no nodes in it", path))
	}
	if len(c.Jobs) == 0 {
		faults = append(faults, fmt.Errorf("%s: no tasks in it", path))
	}
	return c, errors.Join(faults...)
}
