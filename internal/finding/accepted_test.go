package finding

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The list of codes is whole, and those whose comment says (live) are live.
func TestCodesAreThoseDeclared(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "finding.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var want []Code
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 || v.Type == nil || v.Type.(*ast.Ident).Name != "Code" {
			return true
		}
		text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, Code(text))
		if said := strings.Contains(v.Comment.Text(), "(live)"); said != Code(text).Live() {
			t.Errorf("%s: live is %v, its comment says %v", text, Code(text).Live(), said)
		}
		return true
	})
	if len(want) < 30 || !slices.Equal(Codes(), want) {
		t.Errorf("got %v, want %v", Codes(), want)
	}
}

// An accepted finding is no error, and says what it was.
func TestExcused(t *testing.T) {
	all := []Finding{{Code: HelmFailed, Severity: Error}, {Code: HelmFailed, Severity: Error}, {Code: UnknownValue, Severity: Warning}, {Code: UnknownValue, Severity: Warning}}
	all[1].Excuse("known", "2027-01-31")
	all[3].Excuse("known", "2027-01-31")
	if e, w, a := Count(all); e != 1 || w != 1 || a != 2 || Errors(all) != 1 {
		t.Errorf("%d errors, %d warnings, %d accepted", e, w, a)
	}
	if got := ExcusedErrors(all); len(got) != 1 || got[0] != all[1] || !got[0].Excused() || all[0].Excused() {
		t.Errorf("got %+v", got)
	}
	b, err := json.Marshal(all[:2])
	if err != nil || strings.Count(string(b), "accepted") != 1 || !strings.Contains(string(b), `"accepted":{"reason":"known","until":"2027-01-31","severity":"error"}`) {
		t.Errorf("%s, %v", b, err)
	}
}
