// Package prose formats texts for people: counts, first and last lines, and texts that are
// safe to print on a terminal.
package prose

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Count returns a number of things, such as "1 layer" or "2 layers". what is the singular.
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

// LastLine returns the last line of a message, without space around it: the one in which tools
// usually give the reason.
func LastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}

// Brief returns the first line of a message, cut to a number of characters.
func Brief(s string, characters int) string {
	s = FirstLine(s)
	if r := []rune(s); len(r) > characters {
		return string(r[:characters]) + "…"
	}
	return s
}

// Printable returns a text that has no effect on a terminal: characters that can't be printed
// (except tabs and line breaks) and bytes that are not UTF-8 are replaced by escapes.
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
