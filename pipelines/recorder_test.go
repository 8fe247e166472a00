package pipelines_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"seatrial.dev/seatrial/pipelines/internal/session"
)

// TestMain answers the client's queries in place of an engine. An object's id is the
// text of the query that makes it, so the id of a container shows how it was made.
func TestMain(m *testing.M) {
	go func() { _ = http.Serve(session.Listener, http.HandlerFunc(answer)) }()
	os.Exit(m.Run())
}

// last is the last query for a value, as text.
var last atomic.Value

// scalars are the imitated engine's answers, by field.
var scalars = map[string]any{"exitCode": 1, "contents": `{"verdict": "fail", "layers": [{"name": "apps", "status": "failed"}]}`, "stdout": "text", "stderr": "text", "endpoint": "host:1234"}

func answer(w http.ResponseWriter, r *http.Request) {
	var request struct{ Query string }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	document, err := parser.ParseQuery(&ast.Source{Input: request.Query})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	data := result(document.Operations[0].SelectionSet, nil)
	if err := json.NewEncoder(w).Encode(map[string]any{"data": data}); err != nil {
		panic(err)
	}
}

// result nests the answer like the query; so are the fields from the query's root to here.
func result(set ast.SelectionSet, so []string) map[string]any {
	out := map[string]any{}
	for _, s := range set {
		f := s.(*ast.Field)
		switch value, known := scalars[f.Name]; {
		case f.Name == "id" || f.Name == "sync":
			out[f.Alias] = strings.Join(so, "\n")
			if f.Name == "sync" {
				last.Store(strings.Join(so, "\n"))
			}
		case len(f.SelectionSet) > 0:
			out[f.Alias] = result(f.SelectionSet, append(so, step(f)))
		case known:
			out[f.Alias] = value
			last.Store(strings.Join(append(so, step(f)), "\n"))
		default:
			out[f.Alias] = strings.Join(append(so, step(f)), "\n")
		}
	}
	return out
}

// step returns a field with its arguments as text; arguments that are queries
// themselves are indented.
func step(f *ast.Field) string {
	var b strings.Builder
	b.WriteString(f.Name)
	// The client writes arguments in random order.
	slices.SortFunc(f.Arguments, func(a, b *ast.Argument) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range f.Arguments {
		text := value(a.Value)
		if strings.Contains(text, "\n") {
			text = "\n    " + strings.ReplaceAll(text, "\n", "\n    ")
		}
		fmt.Fprintf(&b, "\n  %s:", a.Name)
		if text != "" && text[0] != '\n' {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	return b.String()
}

func value(v *ast.Value) string {
	if v.Kind == ast.StringValue || v.Kind == ast.BlockValue {
		return v.Raw
	}
	var parts []string
	for _, c := range v.Children {
		text := value(c.Value)
		if c.Name != "" {
			text = c.Name + "=" + text
		}
		parts = append(parts, text)
	}
	if v.Children == nil {
		return v.Raw
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
