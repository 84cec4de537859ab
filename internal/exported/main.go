// Command exported prints the exported names of the module's packages, so that growth of the public
// surface is seen in review: functions, variables, constants, types, their methods, and the methods an
// interface asks for. Run it inside the module:
//
//	go run ./internal/exported
//
// Programs, internal packages, examples and benchmarks have no callers outside and are left out.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := list(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "exported:", err)
		os.Exit(1)
	}
}

// list writes the names of every public package of the module in the working directory, then the count of each.
func list(w io.Writer) error {
	cmd := exec.Command("go", "list", "-f", "{{.ImportPath}}\t{{.Name}}\t{{.Dir}}\t{{join .GoFiles \" \"}}", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%v: %w: %s", cmd, err, &stderr)
	}
	var counts []string
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		path, name, dir, files := f[0], f[1], f[2], strings.Fields(f[3])
		if !public(path, name) || len(files) == 0 {
			continue
		}
		var parsed []*ast.File
		for _, file := range files {
			src, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			parsed = append(parsed, src)
		}
		names, types := exported(parsed)
		for _, n := range names {
			fmt.Fprintf(w, "%s.%s\n", name, n)
		}
		counts = append(counts, fmt.Sprintf("%s: %d names, %d of them types", name, len(names), types))
	}
	if len(counts) == 0 {
		return errors.New("no public package here")
	}
	_, err = fmt.Fprintf(w, "\n%s\n", strings.Join(counts, "\n"))
	return err
}

// public reports whether programs outside the module may import the package and are meant to.
func public(path, name string) bool {
	if name == "main" {
		return false
	}
	return !slices.ContainsFunc(strings.Split(path, "/"), func(folder string) bool {
		return folder == "internal" || folder == "examples" || folder == "bench"
	})
}

// exported returns the exported names of a package in order, methods as "Type.Method", and how many are types.
func exported(files []*ast.File) (names []string, types int) {
	add := func(parts ...string) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !ast.IsExported(p) }) {
			names = append(names, strings.Join(parts, "."))
		}
	}
	for _, f := range files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					add(d.Name.Name)
				} else {
					add(receiver(d.Recv.List[0].Type), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.ValueSpec:
						for _, n := range s.Names {
							add(n.Name)
						}
					case *ast.TypeSpec:
						add(s.Name.Name)
						if s.Name.IsExported() {
							types++
						}
						if i, ok := s.Type.(*ast.InterfaceType); ok {
							for _, m := range i.Methods.List {
								for _, n := range m.Names {
									add(s.Name.Name, n.Name)
								}
							}
						}
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names, types
}

// receiver returns the name of a method's type, without its pointer and type parameters.
func receiver(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
