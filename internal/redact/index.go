package redact

import (
	"slices"
	"strings"
)

// index finds needles in a text in time that does not depend on how many there
// are, nor on what they have in common.
type index struct {
	needles []string // sorted
	parent  []int    // the longest other needle that one begins with, or -1
	first   map[string]bool
}

func newIndex(needles []string) *index {
	slices.Sort(needles)
	x := &index{needles: needles, parent: make([]int, len(needles)), first: map[string]bool{}}
	var open []int // each begins with the one before it
	for i, n := range needles {
		for len(open) > 0 && !strings.HasPrefix(n, needles[open[len(open)-1]]) {
			open = open[:len(open)-1]
		}
		x.parent[i] = -1
		if len(open) > 0 {
			x.parent[i] = open[len(open)-1]
		}
		open = append(open, i)
		x.first[n[:window]] = true
	}
	return x
}

// begins says whether any needle has the first bytes of text.
func (x *index) begins(text string) bool { return x.first[text[:window]] }

// prefixOf is the longest needle that text begins with, or "". Whatever lies
// between that needle and text in the order begins with it, too: so it is the
// needle next before text, or one that that one begins with.
func (x *index) prefixOf(text string) string {
	if !x.begins(text) {
		return ""
	}
	i, found := slices.BinarySearch(x.needles, text)
	if found {
		return x.needles[i]
	}
	i--
	if i < 0 {
		return ""
	}
	same := common(x.needles[i], text)
	for i >= 0 && len(x.needles[i]) > same {
		i = x.parent[i]
	}
	if i < 0 {
		return ""
	}
	return x.needles[i]
}

// startingWith is a needle that begins with text, or "".
func (x *index) startingWith(text string) string {
	i, _ := slices.BinarySearch(x.needles, text)
	if i < len(x.needles) && strings.HasPrefix(x.needles[i], text) {
		return x.needles[i]
	}
	return ""
}

// common is how many bytes a and b begin with alike.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
