package placement

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Scores and prices that are made in floating point are the same on every machine. Of the operations +, -, *, / and square root IEEE 754 leaves nothing open, but the
// language lets a compiler fuse a product and a sum into one operation that rounds once ("Floating-point operators", The Go Programming
// Language Specification), as that for arm64, ppc64le, riscv64 and s390x does and that for amd64 does not. A product that is converted is rounded first. So
// every product of this package that is not a constant stands in a conversion, and of functions of package math only those are called that have one result everywhere.
func TestNoProductCanBeFused(t *testing.T) {
	files := token.NewFileSet()
	var all []*ast.File
	names, err := fs.Glob(os.DirFS("."), "*.go")
	require.NoError(t, err)
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			f, err := goparser.ParseFile(files, name, nil, 0)
			require.NoError(t, err)
			all = append(all, f)
		}
	}
	check := func(of []*ast.File) (products int, faults []string) {
		info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		// Without what is imported: a product of floats is of types that are declared here or in the language.
		c := types.Config{Error: func(error) {}, Importer: nothing{}}
		c.Check("placement", files, of, &info)
		isFloat := func(e ast.Expr) bool {
			tv := info.Types[e]
			if tv.Type == nil || tv.Value != nil {
				return false
			}
			b, ok := tv.Type.Underlying().(*types.Basic)
			return ok && b.Info()&types.IsFloat != 0
		}
		for _, f := range of {
			rounded := map[ast.Expr]bool{}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if name, ok := n.Fun.(*ast.Ident); ok && name.Name == "float64" && len(n.Args) == 1 {
						rounded[n.Args[0]] = true
					}
					if of, ok := n.Fun.(*ast.SelectorExpr); ok {
						if pkg, ok := of.X.(*ast.Ident); ok && pkg.Name == "math" && !exactEverywhere[of.Sel.Name] {
							faults = append(faults, files.Position(n.Pos()).String()+": math."+of.Sel.Name)
						}
					}
				case *ast.BinaryExpr:
					if n.Op == token.MUL && isFloat(n) {
						if products++; !rounded[n] {
							faults = append(faults, files.Position(n.Pos()).String()+": a product")
						}
					}
				case *ast.AssignStmt:
					if n.Tok == token.MUL_ASSIGN && isFloat(n.Lhs[0]) {
						faults = append(faults, files.Position(n.Pos()).String()+": a product")
					}
				}
				return true
			})
		}
		return products, faults
	}
	products, faults := check(all)
	assert.Greater(t, products, 8, "those of the linear programme alone")
	assert.Empty(t, faults)

	bad, err := goparser.ParseFile(files, "bad.go", "package placement\nimport \"math\"\nfunc f(a, b, c float64) float64 { b *= c; math.Exp(a); return b*c + float64(a*c) }", 0)
	require.NoError(t, err)
	products, faults = check([]*ast.File{bad})
	assert.Equal(t, 2, products)
	assert.Equal(t, []string{"bad.go:3:35: a product", "bad.go:3:43: math.Exp", "bad.go:3:63: a product"}, faults)
}

// exactEverywhere are the functions of package math that are exact or rounded as IEEE 754 has it.
var exactEverywhere = map[string]bool{"Sqrt": true, "Floor": true, "Ceil": true, "Trunc": true, "Abs": true, "Inf": true, "IsNaN": true, "IsInf": true, "MaxInt64": true}

type nothing struct{}

func (nothing) Import(string) (*types.Package, error) { return nil, fs.ErrNotExist }
