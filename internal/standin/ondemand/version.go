package ondemand

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// numbers are versions, or parts of one, in the text of a range.
var numbers = regexp.MustCompile(`v?(\d{1,9})(?:\.(\d{1,9}|[xX*]))?(?:\.(\d{1,9}|[xX*]))?(?:-[0-9A-Za-z.-]+)?`)

// longest is the longest text of a range that is looked at.
const longest = 256

// satisfy returns a version that a range allows: one of the preferred ones if it can be, else one made of the
// range's own numbers. filter is a regular expression that it has to match; "" if there is none. It
// returns "" if it finds none.
func satisfy(asked, filter string, preferred ...string) string {
	asked = strings.TrimSpace(asked)
	if exact(asked) {
		return asked
	}
	if asked == "" || asked == "latest" {
		asked = "*"
	}
	if len(asked) > longest || len(filter) > longest {
		return ""
	}
	allowed, err := semver.NewConstraint(asked)
	if err != nil {
		return ""
	}
	matches, err := regexp.Compile(filter)
	if err != nil {
		return ""
	}
	for _, v := range append(preferred, candidates(asked)...) {
		parsed, err := semver.NewVersion(v)
		if err == nil && exact(v) && allowed.Check(parsed) && matches.MatchString(v) {
			return v
		}
	}
	return ""
}

// exact says whether a text is a whole version, with or without a v before it.
func exact(s string) bool {
	_, err := semver.StrictNewVersion(strings.TrimPrefix(s, "v"))
	return err == nil
}

// candidates are versions near the numbers of a range.
func candidates(asked string) []string {
	var out []string
	for _, m := range numbers.FindAllStringSubmatch(asked, 8) {
		part := func(i int) int {
			n := 0
			_, _ = fmt.Sscanf(m[i], "%d", &n) // x and * are 0
			return n
		}
		major, minor, patch := part(1), part(2), part(3)
		if pre, err := semver.NewVersion(m[0]); err == nil && pre.Prerelease() != "" {
			out = append(out, pre.String())
		}
		for _, d := range [][3]int{
			{major, minor, patch}, {major, minor, patch + 1}, {major, minor + 1, 0}, {major + 1, 0, 0},
			{major, minor, patch - 1}, {major, minor - 1, 0}, {major - 1, 0, 0},
		} {
			if d[0] >= 0 && d[1] >= 0 && d[2] >= 0 {
				v := fmt.Sprintf("%d.%d.%d", d[0], d[1], d[2])
				out = append(out, v, "v"+v, v+"-rc.1")
			}
		}
	}
	return append(out, "1.0.0", "0.1.0", "v1.0.0")
}
