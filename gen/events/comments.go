package gen

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// readComments collects what the sources of package events say about its
// fields: "Type.Field" to its comment, as one line. The comments are the only
// description there is, so the schemas cannot disagree with them.
func readComments(dir string) (map[string]string, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, f := range found {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, f.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if t, ok := n.(*ast.TypeSpec); ok {
				if s, ok := t.Type.(*ast.StructType); ok {
					fieldComments(out, t.Name.Name, s)
				}
			}
			return true
		})
	}
	if len(out) == 0 {
		return nil, errors.New("no comments found in " + dir)
	}
	return out, nil
}

func fieldComments(out map[string]string, typ string, s *ast.StructType) {
	for _, f := range s.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		text = strings.Join(strings.Fields(text), " ")
		for _, name := range f.Names {
			if text != "" {
				out[typ+"."+name.Name] = text
			}
		}
	}
}
