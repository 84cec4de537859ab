package policy

import (
	"go/ast"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every enumeration, which is an exported type that is a byte, is written as a word and read back: JSON and logs would
// else have numbers that mean something else once a value is added.
func TestEnumerationsHaveWords(t *testing.T) {
	enums := map[string]string{} // by package and name, the file
	types, methods := exported(t)
	for name, d := range types {
		if kind, ok := d.spec.Type.(*ast.Ident); ok && kind.Name == "uint8" {
			enums[name] = d.file
		}
	}
	require.Contains(t, enums, "..Code", "the walk finds them")
	for enum, file := range enums {
		for _, method := range []string{"String", "MarshalText", "UnmarshalText"} {
			assert.True(t, methods[enum+"."+method], "%s: enumeration %s has no %s", file, enum, method)
		}
	}
}
