package finding

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestWhere(t *testing.T) {
	for want, f := range map[string]Finding{
		"": {Line: 3}, "a.yaml": {File: "a.yaml"}, "a.yaml:3": {File: "a.yaml", Line: 3},
	} {
		if got := f.Where(); got != want {
			t.Errorf("%+v: got %q, want %q", f, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	if got := Errors([]Finding{{Severity: Error}, {Severity: Warning}, {Severity: Error}, {}}); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
	if got := Errors(nil); got != 0 {
		t.Errorf("of none: got %d, want 0", got)
	}
}

// A problem that both lists have for the same object becomes one finding.
func TestMerge(t *testing.T) {
	static := Finding{Code: UnknownKind, Severity: Warning, Object: "A/x/y", File: "a.yaml", Line: 3, Message: "static", Fix: "by static"}
	live := Finding{Code: UnknownKind, Severity: Error, Layer: "apps", Object: "A/x/y", File: "a.yaml", Line: 9, Message: "live", Fix: "by live", Evidence: "no matches"}
	change := func(f Finding, by func(*Finding)) Finding { by(&f); return f }
	for name, c := range map[string]struct{ a, b, want []Finding }{
		"nothing":      {nil, nil, nil},
		"only static":  {[]Finding{static}, nil, []Finding{static}},
		"only live":    {nil, []Finding{live}, []Finding{live}},
		"same subject": {[]Finding{static}, []Finding{live}, []Finding{change(static, func(f *Finding) { f.Layer, f.Severity, f.Evidence = "apps", Error, "no matches" })}},
		"layer and evidence of the first stay": {
			[]Finding{change(static, func(f *Finding) { f.Layer, f.Evidence = "infra", "said first" })}, []Finding{live},
			[]Finding{change(static, func(f *Finding) { f.Layer, f.Severity, f.Evidence = "infra", Error, "said first" })},
		},
		"an error stays one": {
			[]Finding{change(static, func(f *Finding) { f.Severity = Error })}, []Finding{change(live, func(f *Finding) { f.Severity = Warning })},
			[]Finding{change(static, func(f *Finding) { f.Layer, f.Severity, f.Evidence = "apps", Error, "no matches" })},
		},
		"other code": {
			[]Finding{static}, []Finding{change(live, func(f *Finding) { f.Code = ApplyFailed })},
			[]Finding{change(live, func(f *Finding) { f.Code = ApplyFailed }), static},
		},
		"other object": {
			[]Finding{static}, []Finding{change(live, func(f *Finding) { f.Object = "A/x/z" })},
			[]Finding{change(live, func(f *Finding) { f.Object = "A/x/z" }), static},
		},
		"other file": {
			[]Finding{static}, []Finding{change(live, func(f *Finding) { f.File = "b.yaml" })},
			[]Finding{change(live, func(f *Finding) { f.File = "b.yaml" }), static},
		},
		// Within one list, an object may have several problems of the same code: only identical findings are
		// merged.
		"said twice": {
			[]Finding{static, static}, []Finding{change(live, func(f *Finding) { f.Object = "B" }), change(live, func(f *Finding) { f.Object = "B" })},
			[]Finding{change(live, func(f *Finding) { f.Object = "B" }), static},
		},
		"two problems of an object": {
			[]Finding{static, change(static, func(f *Finding) { f.Line = 4 })}, nil,
			[]Finding{static, change(static, func(f *Finding) { f.Line = 4 })},
		},
		"two live problems of an object": {
			nil, []Finding{live, change(live, func(f *Finding) { f.Message = "live, too" })},
			[]Finding{live, change(live, func(f *Finding) { f.Message = "live, too" })},
		},
	} {
		a, b := slices.Clone(c.a), slices.Clone(c.b)
		if got := Merge(c.a, c.b); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
		if !reflect.DeepEqual(a, c.a) || !reflect.DeepEqual(b, c.b) {
			t.Errorf("%s: the lists themselves are changed", name)
		}
	}
}

// Errors come first; after that, findings are sorted by layer, file, line and message.
func TestMergeSorts(t *testing.T) {
	want := []Finding{
		{Severity: Error, Layer: "b", File: "z", Message: "1"},
		{Severity: Warning, Layer: "a", File: "b", Line: 9, Message: "2"},
		{Severity: Warning, Layer: "b", File: "a", Line: 10, Message: "3"},
		{Severity: Warning, Layer: "b", File: "b", Line: 9, Message: "4"},
		{Severity: Warning, Layer: "b", File: "b", Line: 10, Message: "0", Object: "y"},
		{Severity: Warning, Layer: "b", File: "b", Line: 10, Message: "5", Object: "x"},
	}
	backwards := slices.Clone(want)
	slices.Reverse(backwards)
	if got := Merge(nil, backwards); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Conceal changes free text only, not what programs read.
func TestConceal(t *testing.T) {
	all := []Finding{
		{Code: "x", Severity: "x", Layer: "x", Object: "x", File: "x", Line: 1, Message: "x", Fix: "x", Evidence: "x", Accepted: Accepted{"x", "x", "x"}},
		{Message: "a x b"},
	}
	Conceal(all, func(s string) string { return strings.ReplaceAll(s, "x", "***") })
	want := []Finding{
		{Code: "x", Severity: "x", Layer: "x", Object: "***", File: "x", Line: 1, Message: "***", Fix: "***", Evidence: "***", Accepted: Accepted{"***", "x", "x"}},
		{Message: "a *** b"},
	}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("got %+v, want %+v", all, want)
	}
}
