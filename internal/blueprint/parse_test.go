package blueprint

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wanted matches the last line of each malformed blueprint, which says what error is expected.
var wanted = regexp.MustCompile(`# want line (\d+): (.*)\n$`)

func TestMalformedBlueprintsAreRefused(t *testing.T) {
	files, err := filepath.Glob("../../fixtures/blueprints/malformed/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := wanted.FindSubmatch(b)
			if m == nil {
				t.Fatal("it does not say what is wanted")
			}
			_, err = Parse("b.yaml", b[:len(b)-len(m[0])])
			if err != nil && strings.Contains(err.Error(), "SECRET-KEY") {
				t.Error("a private key is printed")
			}
			var invalid Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("got %v", err)
			}
			for _, p := range invalid {
				if p.Fix == "" || p.Message == "" {
					t.Errorf("no reason or no fix: %+v", p)
				}
			}
			if !slices.ContainsFunc(invalid, func(p Problem) bool {
				return fmt.Sprint(p.Line) == string(m[1]) && strings.Contains(p.String(), string(m[2]))
			}) {
				t.Errorf("want line %s: %s\ngot %s", m[1], m[2], err)
			}
		})
	}
}

func TestBlueprintsOfTheProjectAreValid(t *testing.T) {
	for _, name := range []string{"sample", "full"} {
		b, err := os.ReadFile("../../fixtures/blueprints/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(name, b); err != nil {
			t.Error(err)
		}
	}
}

func TestPublishedSchemaIsCurrent(t *testing.T) {
	now, err := Schema(".")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(now, PublishedSchema) {
		t.Error("run go generate ./internal/blueprint")
	}
	for _, field := range []string{`"registryProxy"`, `"harbor"`, `"description": "What the services' host names end in."`} {
		if !bytes.Contains(now, []byte(field)) {
			t.Errorf("the schema lacks %s", field)
		}
	}
}
