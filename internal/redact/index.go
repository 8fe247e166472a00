package redact

import (
	"slices"
	"strings"
)

// index looks up needles (the forms of secret values) in a text. The time that takes
// does not depend on how many there are, nor on what they have in common.
type index struct {
	needles []string // sorted
	parent  []int    // for each needle, the longest other one that is its prefix; -1 if there is none
	first   map[string]bool
}

func newIndex(needles []string) *index {
	slices.Sort(needles)
	x := &index{needles: needles, parent: make([]int, len(needles)), first: map[string]bool{}}
	var open []int // a stack: each needle has the one below it as a prefix
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

// prefixOf returns the longest needle that is a prefix of text, or "". In the sorted
// list, every needle between that one and text has it as a prefix. So it is either the
// last needle that sorts before text, or one of that needle's own prefixes.
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

// common returns the length of the common prefix of a and b, in bytes.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
