package trace

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// lines reads a CSV file (RFC 4180) of which each record is one line. So a quote that is not closed is at
// fault on its own line: a reader that looks for the closing one further on takes in the lines between, and
// tells of the line where it gave up.
type lines struct {
	file   string
	r      *bufio.Reader
	line   int // number of the present line, from 1
	fields []field
	rows   [][]field // those that are to come, where they were read from something else than CSV
}

type field struct {
	text   string
	line   int // where it is not the one that it was read with
	column int // of its first byte in the line, from 1
}

// errCut is wrapped where a file ends without a line break. What is missing cannot be told: what is left of
// a number is a number.
var errCut = errors.New("no line break at the end: the file is cut short")

// next reads the next line that is not empty. It returns [io.EOF] at the end, an error that wraps
// [csv.ErrQuote] or [csv.ErrBareQuote] for a line after which it can go on, and any other where it cannot.
func (l *lines) next() error {
	if l.r == nil {
		if len(l.rows) == 0 {
			return io.EOF
		}
		l.fields, l.rows = l.rows[0], l.rows[1:]
		l.line = l.fields[0].line
		return nil
	}
	for {
		text, err := l.r.ReadString('\n')
		switch {
		case err == io.EOF && text == "":
			return io.EOF
		case err == io.EOF:
			return fmt.Errorf("%s:%d: %w", l.file, l.line+1, errCut)
		case err != nil:
			return fmt.Errorf("%s: %w", l.file, err)
		}
		l.line++
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		if text == "" {
			continue
		}
		if column, err := l.split(text); err != nil {
			return fmt.Errorf("%s:%d:%d: %w", l.file, l.line, column, err)
		}
		return nil
	}
}

// split sets the fields of a line. With an error it returns the column that is at fault.
func (l *lines) split(text string) (column int, err error) {
	l.fields = l.fields[:0]
	for at := 0; ; {
		f := field{column: at + 1}
		if strings.HasPrefix(text[at:], `"`) {
			var end int
			if f.text, end, err = unquote(text, at+1); err != nil {
				return end + 1, err
			}
			at = end
		} else {
			f.text, _, _ = strings.Cut(text[at:], ",")
			if i := strings.IndexByte(f.text, '"'); i >= 0 {
				return at + i + 1, csv.ErrBareQuote
			}
			at += len(f.text)
		}
		l.fields = append(l.fields, f)
		if at == len(text) {
			return 0, nil
		}
		at++ // the comma
	}
}

// unquote returns the text of a quoted field whose first byte after the quote is at from, and the index
// behind its closing quote; with an error, the index that is at fault.
func unquote(text string, from int) (string, int, error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(text[from:], '"')
		if i < 0 {
			return "", len(text) + 1, csv.ErrQuote // it is missing behind the line
		}
		b.WriteString(text[from : from+i])
		from += i + 1
		switch {
		case from == len(text) || text[from] == ',':
			return b.String(), from, nil
		case text[from] != '"':
			return "", from - 1, csv.ErrQuote
		}
		b.WriteByte('"') // two are one
		from++
	}
}
