package imports

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ours is the module path that all our packages begin with.
const ours = "github.com/outdial/outdial/"

// A File is one Go source, parsed.
type File struct {
	Path    string // from the repository's root
	Dir     string // its package's folder
	Test    bool   // a _test.go file
	Lines   int
	AST     *ast.File
	Imports []string
	fset    *token.FileSet
}

// at says where in the file something stands.
func (f File) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Path, f.fset.Position(n.Pos()).Line)
}

// forTests reports whether the file serves tests alone: a test itself, or a
// package made for them, by its name.
func (f File) forTests() bool {
	return f.Test || strings.HasPrefix(f.Dir, "test/") || strings.HasSuffix(f.AST.Name.Name, "test") ||
		strings.Contains(f.Dir, "/testdata/")
}

// skipped are folders that hold nothing of ours.
var skipped = []string{".git", ".cache", "bin", "data", "secrets", "node_modules"}

// walk visits every file of a tree that belongs to the repository.
func walk(tree fs.FS, visit func(name string, text []byte) error) error {
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(skipped, path.Base(name)) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return visit(name, text)
	})
}

// Sources parses every Go file of a tree.
func Sources(tree fs.FS) ([]File, error) {
	var out []File
	fset := token.NewFileSet()
	err := walk(tree, func(name string, text []byte) error {
		if !strings.HasSuffix(name, ".go") || strings.Contains(name, "/testdata/") {
			return nil
		}
		parsed, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		f := File{Path: name, Dir: path.Dir(name), Test: strings.HasSuffix(name, "_test.go"),
			Lines: bytes.Count(text, []byte("\n")), AST: parsed, fset: fset}
		for _, i := range parsed.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.Imports = append(f.Imports, p)
		}
		out = append(out, f)
		return nil
	})
	return out, err
}
