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
	methods := map[string]bool{}  // by package, receiver and name
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if file == "internal" || file == "examples" || file == "bench" {
				return fs.SkipDir
			}
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
					if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() && hides(s.Type) {
						hidden[path.Dir(file)+"."+s.Name.Name] = file
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
