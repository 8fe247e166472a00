package spelling

import (
	"slices"
	"testing"
)

// A name may differ by a third of its letters, and by two at most.
func TestNearest(t *testing.T) {
	for _, c := range []struct {
		name  string
		names []string
		want  string
	}{
		{"harbour", []string{"gitea", "harbor"}, "harbor"}, // a letter too many
		{"posgrsql", []string{"postgresql"}, "postgresql"}, // two too few
		{"kyecloak", []string{"keycloak"}, "keycloak"},     // two changed
		{"pstgrsql", []string{"postgresql"}, "postgresql"}, // two, far apart
		{"pstgrsq", []string{"postgresql"}, ""},            // three
		{"gitea", []string{"gitlab"}, ""},                  // two, of five letters
		{"mino", []string{"minio"}, "minio"},               // one, of four
		{"webx", []string{"web"}, "web"},
		{"abc", []string{"abd"}, "abd"},
		{"ab", []string{"ac"}, ""}, // too short for any
		{"", []string{"a"}, ""},
		{"ab", []string{"ab"}, "ab"},
		{"harbor", nil, ""},
		{"web3", []string{"web1", "web2"}, "web1"},          // of equals the first
		{"web3", []string{"web2", "web1"}, "web2"},          // in any order
		{"harbrrr", []string{"harbor", "harbrr"}, "harbrr"}, // the nearest, wherever it stands
		{"harbrrr", []string{"harbrr", "harbor"}, "harbrr"},
	} {
		before := slices.Clone(c.names)
		if got := Nearest(c.name, c.names); got != c.want {
			t.Errorf("%s of %v: got %q, want %q", c.name, c.names, got, c.want)
		}
		if !slices.Equal(c.names, before) {
			t.Errorf("%s: the names became %v", c.name, c.names)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"kitten", "sitting", 3},
		{"abc", "bc", 1}, {"abc", "abxc", 1}, {"abc", "axc", 1}, {"ab", "ba", 2}, {"flaw", "lawn", 2},
	} {
		if got := distance([]rune(c.a), []rune(c.b)); got != c.want {
			t.Errorf("%q to %q: got %d, want %d", c.a, c.b, got, c.want)
		}
		if got := distance([]rune(c.b), []rune(c.a)); got != c.want {
			t.Errorf("%q to %q: got %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
