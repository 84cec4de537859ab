package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every enumeration, which is an exported type that is a byte, is written as a word and read back: JSON and logs would
// else have numbers that mean something else once a value is added.
func TestEnumerationsHaveWords(t *testing.T) {
	enums := map[string]string{} // by package and name, the file
	methods := map[string]bool{} // by package, receiver and name
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skip(root, file)
		case path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		src, err := fs.ReadFile(root, file)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() {
						if kind, ok := s.Type.(*ast.Ident); ok && kind.Name == "uint8" {
							enums[path.Dir(file)+"."+s.Name.Name] = file
						}
					}
				}
			case *ast.FuncDecl:
				if d.Recv == nil {
					continue
				}
				receiver := d.Recv.List[0].Type
				if star, ok := receiver.(*ast.StarExpr); ok {
					receiver = star.X
				}
				if name, ok := receiver.(*ast.Ident); ok {
					methods[path.Dir(file)+"."+name.Name+"."+d.Name.Name] = true
				}
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, enums, "..Code", "the walk finds them")
	for enum, file := range enums {
		for _, method := range []string{"String", "MarshalText", "UnmarshalText"} {
			assert.True(t, methods[enum+"."+method], "%s: enumeration %s has no %s", file, enum, method)
		}
	}
}
