// Package prose shapes texts for people: counts, first lines, and what a terminal only shows.
package prose

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Count is a number of things: 1 layer, 2 layers. what is the word for one of them.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// FirstLine is the first line of a message, without space around it.
func FirstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// LastLine is the last line of a message, without space around it: what tools end with says most.
func LastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}

// Brief is the first line of a message, cut off after some characters.
func Brief(s string, characters int) string {
	s = FirstLine(s)
	if r := []rune(s); len(r) > characters {
		return string(r[:characters]) + "…"
	}
	return s
}

// Printable is a text in which nothing acts on a terminal: characters that are
// not printed, but for tabs and line breaks, and bytes that are not text are written out.
func Printable(s string) string {
	clean := func(r rune) bool { return r == '\n' || r == '\t' || unicode.IsPrint(r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !clean(r) }) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && s[i] != "\uFFFD"[0]:
			fmt.Fprintf(&b, "\\x%02x", s[i])
		case clean(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}
