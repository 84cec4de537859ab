package policy

import (
	"go/ast"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// partly are types of which an encoder writes a part, on purpose.
var partly = map[string]string{
	"scheduler.Admission": "it is good for the call of Admit, and its exported fields are what it is about",
	"placement.Candidate": "it is good for the call of a term, and its exported fields are what it is about",
	"placement.State":     "likewise",
	"placement.Device":    "likewise",
}

// What an encoder would not see says so, or has a form of its own: JSON would else have "{}", and nobody would know before it
// is to be read.
func TestHiddenStateIsNotEncodedAsNothing(t *testing.T) {
	hidden := map[string]string{} // by package and name, the file
	types, methods := exported(t, "internal", "examples", "bench")
	for name, d := range types {
		if hides(d.spec.Type) {
			hidden[name] = d.file
		}
	}
	for _, known := range []string{"cluster.Snapshot", "scheduler.State", "allocator.Turns", "..Group"} {
		require.Contains(t, hidden, known, "the walk finds them")
	}
	for name, file := range hidden {
		said := methods[name+".MarshalText"] || methods[name+".MarshalJSON"]
		assert.NotEqual(t, partly[name] != "", said, "%s: %s hides what it is from encoders, and has no MarshalText or MarshalJSON", file, name)
	}
	for name := range partly {
		assert.Contains(t, hidden, name)
	}
}

// hides reports whether a type is a struct with fields that encoders do not see, or is made of another named type, whose fields are
// likely none of the package's own.
func hides(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return true
	case *ast.Ident:
		return ast.IsExported(e.Name)
	case *ast.StructType:
		for _, field := range e.Fields.List {
			for _, name := range field.Names {
				if !name.IsExported() {
					return true
				}
			}
		}
	}
	return false
}
