package placement_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// makers are what makes a rule or a strategy: exported functions that return one and nothing else, and exported methods that make one of another, such as
// "Spread.Skew".
type makers struct{ functions, methods []string }

// makersIn finds those of a package: what they return is one of some types, of the package itself or of another.
func makersIn(t *testing.T, dir string, of func(result string) bool) (m makers) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, decl := range parsed(t, path).Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() || f.Type.Results == nil || len(f.Type.Results.List) != 1 || len(f.Type.Results.List[0].Names) > 1 {
				continue
			}
			result := typeName(f.Type.Results.List[0].Type)
			switch {
			case !of(result):
			case f.Recv == nil:
				m.functions = append(m.functions, f.Name.Name)
			case typeName(f.Recv.List[0].Type) == result:
				m.methods = append(m.methods, result+"."+f.Name.Name)
			}
		}
	}
	slices.Sort(m.functions)
	slices.Sort(m.methods)
	return m
}

func parsed(t *testing.T, path string) *ast.File {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	require.NoError(t, err)
	return f
}

func typeName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return typeName(x.X) + "." + x.Sel.Name
	}
	return ""
}

// names returns what is called of a package, "Eq", and of anything else, ".Skew".
func names(of string, nodes ...ast.Node) map[string]bool {
	found := map[string]bool{}
	for _, n := range nodes {
		ast.Inspect(n, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, is := s.X.(*ast.Ident); is && x.Name == of {
					found[s.Sel.Name] = true
				} else {
					found["."+s.Sel.Name] = true
				}
			}
			return true
		})
	}
	return found
}

// Each rule of package constraints and each strategy and term of this one has a running Example of its name, and what makes one of another is in some Example. And each is among
// those that the randomized comparison of the engine with the reference draws from.
func TestCatalogueIsShownAndCompared(t *testing.T) {
	rules := []string{"berth.NodeRule", "Comparison", "Pattern", "Combination", "Cap", "Spread", "Shares", "Pair", "Toleration"}
	for _, p := range []struct {
		name, dir string
		of        func(result string) bool
		least     int // how many functions there are at least, or they are not found any more
	}{
		{"constraints", "../constraints", func(result string) bool { return slices.Contains(rules, result) }, 38},
		{"placement", ".", func(result string) bool { return result == "Strategy" || result == "Term" }, 30},
	} {
		made := makersIn(t, p.dir, p.of)
		assert.GreaterOrEqual(t, len(made.functions), p.least, "functions of package %s", p.name)
		assert.NotEmpty(t, made.methods)
		tests, err := filepath.Glob(filepath.Join(p.dir, "*_test.go"))
		require.NoError(t, err)
		var files []*ast.File
		for _, path := range tests {
			files = append(files, parsed(t, path))
		}
		named := map[string]bool{}
		var bodies []ast.Node
		for _, e := range doc.Examples(files...) {
			if e.Output == "" && !e.EmptyOutput {
				continue // it does not run
			}
			name, _, _ := strings.Cut(e.Name, "_")
			named[name] = true
			bodies = append(bodies, e.Code)
		}
		shown := names(p.name, bodies...)
		drawn := names(p.name, parsed(t, "exact_test.go"), parsed(t, "rules_drawn_test.go"), parsed(t, "strategies_test.go"))
		for _, f := range made.functions {
			assert.True(t, named[f], "%s.%s has no Example of its name that runs", p.name, f)
			assert.True(t, drawn[f], "%s.%s is not drawn by the comparison of engine and reference", p.name, f)
		}
		for _, m := range made.methods {
			_, name, _ := strings.Cut(m, ".")
			assert.True(t, shown["."+name], "%s.%s is in no Example that runs", p.name, m)
			assert.True(t, drawn["."+name], "%s.%s is not drawn by the comparison of engine and reference", p.name, m)
		}
	}
}
