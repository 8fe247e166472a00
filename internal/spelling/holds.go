package spelling

import "strings"

// Holds says whether a text has a name in it, of an object or a host, that is not part of a longer one. The name is
// in lower case; the text need not be.
func Holds(text, name string) bool {
	for rest := strings.ToLower(text); ; {
		i := strings.Index(rest, name)
		if i < 0 || name == "" {
			return false
		}
		end := i + len(name)
		if (i == 0 || !inName(rest[i-1])) && (end == len(rest) || !inName(rest[end])) {
			return true
		}
		rest = rest[i+1:]
	}
}

// inName says whether a byte can be part of a name.
func inName(c byte) bool {
	return c == '-' || c == '.' || c == '_' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}
