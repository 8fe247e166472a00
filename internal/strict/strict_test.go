package strict

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

type day string

func (day) Bare() []string { return []string{"!!timestamp"} }

type shared struct {
	Names []string `yaml:"names,omitempty"`
	Until day      `yaml:"until"`
	Line  int      `yaml:"-"`
}

type file struct {
	Kind   string `yaml:"kind"`
	shared `yaml:",inline"`
	Lists  [][]string `yaml:"lists"`
}

func read(text string) (file, error) {
	var f file
	_, err := Read("f.yaml", "the file", "kind: F", []byte(text), &f, nil)
	return f, err
}

// Fields of an embedded struct are the file's own, and a day needs no quotes.
func TestEmbeddedFieldsAndBareTexts(t *testing.T) {
	for _, until := range []string{"2027-01-31", `"2027-01-31"`} {
		f, err := read("kind: F\nnames: [a]\nuntil: " + until)
		if err != nil || f.Until != "2027-01-31" || len(f.Names) != 1 {
			t.Errorf("%s: %+v, %v", until, f, err)
		}
	}
}

func TestMistakesAreTold(t *testing.T) {
	for text, want := range map[string]string{
		"kind: F\nnams: [a]":              "f.yaml:2: unknown key nams: did you mean names?",
		"kind: F\n-: x":                   "unknown key -: use one of kind, names, until, lists",
		"kind: F\nLine: 3":                "unknown key Line",
		"kind: 2027-01-31":                "kind: found the date 2027-01-31",
		"kind: F\nuntil: 3":               "until: found the number 3",
		"kind: F\nnames: [2027-01-31]":    "found the date",
		"kind: F\nkind: F":                "f.yaml:2: kind is written twice",
		"kind: F\n---\nkind: F":           "more than one document",
		"kind: F\n---\nkind: [":           "more than one document",
		"kind: F\nlists: &a [*a]":         "lists.0.0: found a list",
		"kind: F\n<<: {names: [a]}":       "unknown key <<",
		"":                                "the file is empty",
		"kind: F\nnames: {}\nlists: true": "f.yaml:3: lists: found the truth value true",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// Aliases that multiply, and mistakes without end, cost little.
func TestReadingIsBounded(t *testing.T) {
	start := time.Now()
	bomb := "kind: F\nnames: &a [" + strings.Repeat("x,", 20_000) + "]\nlists: [" + strings.Repeat("*a,", 20_000) + "]"
	if _, err := read(bomb); err == nil || !strings.Contains(err.Error(), "holds more than 100000 values") {
		t.Errorf("got %.200v", err)
	}
	var wrong strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&wrong, "k%d: 1\n", i)
	}
	_, err := read(wrong.String())
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != maxProblems {
		t.Errorf("%d problems", n)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
