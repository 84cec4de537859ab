package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// declared is the declaration of an exported type.
type declared struct {
	spec *ast.TypeSpec
	file string
}

// exported returns the exported types of the module by package and name, and all methods by package, receiver and name, but for
// those below some folders. The root package is ".".
func exported(t *testing.T, without ...string) (types map[string]declared, methods map[string]bool) {
	types, methods = map[string]declared{}, map[string]bool{}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if slices.Contains(without, file) {
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
					if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() {
						types[path.Dir(file)+"."+s.Name.Name] = declared{s, file}
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
	return types, methods
}
