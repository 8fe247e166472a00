package cause

import (
	"fmt"
	"regexp"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

var (
	// site matches where a template failed: chart/templates/file:line:column.
	site = regexp.MustCompile(`([\w.-]+/(?:charts/[\w.-]+/)*templates/[^\s:()"]+):(\d+)(?::\d+)?`)
	// unparsed matches a template whose result is no YAML.
	unparsed = regexp.MustCompile(`YAML parse error on ([^\s:]+): (?s:(.*))`)
	// reads matches the value that a template was reading.
	reads = regexp.MustCompile(`<\.Values\.([\w.]+)`)
	// refusedValue matches what the chart's schema says of a value.
	refusedValue = regexp.MustCompile(`(?m)^\s*- at '([^']*)': (.*)$`)
)

// chartRender: a chart does not accept the release's values, or fails to render with them.
func chartRender(f Failure) ([]finding.Finding, bool) {
	if f.Ref.GroupKind != gitops.HelmReleaseKind {
		return nil, false
	}
	out := f.finding(finding.HelmFailed)
	if wrong := refusedValue.FindAllStringSubmatch(f.Message, -1); strings.Contains(f.Message, "specifications of the schema") && len(wrong) > 0 {
		var all []string
		for _, w := range wrong {
			all = append(all, fmt.Sprintf("%s: %s", dotted(w[1]), w[2]))
		}
		out.Message = "the chart's schema refuses its values: " + strings.Join(all, "; ")
		out.Fix = "mend spec.values (or what valuesFrom brings) at " + dotted(wrong[0][1])
		return one(out)
	}
	if m := unparsed.FindStringSubmatch(f.Message); m != nil {
		out.Message = fmt.Sprintf("its chart does not render: %s makes no YAML of its values: %s", m[1], oneLine(m[2]))
		out.Fix = "mend the values that the template prints: quote texts, and see that lists and maps are such"
		return one(out)
	}
	all := site.FindAllStringSubmatch(f.Message, -1)
	if all == nil {
		return nil, false
	}
	at := all[len(all)-1] // templates that include each other are told from the outside in
	why := f.Message[strings.LastIndex(f.Message, at[0])+len(at[0]):]
	out.Message = fmt.Sprintf("its chart does not render: %s, line %s: %s", at[1], at[2], lastSaid(why))
	out.Fix = "mend the values that the template reads there, in spec.values or what valuesFrom brings"
	if m := reads.FindStringSubmatch(why); m != nil {
		out.Fix = fmt.Sprintf("mend the value %s, in spec.values or what valuesFrom brings", m[1])
	}
	return one(out)
}

// lastSaid is the last thing that a template's error says: what is before tells where it was.
func lastSaid(text string) string {
	lines := strings.Split(strings.Trim(text, "): \n"), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if i := strings.LastIndex(last, ">: "); i >= 0 {
		last = last[i+3:]
	}
	return last
}

// dotted is a JSON pointer as people write values.
func dotted(pointer string) string {
	if pointer == "" {
		return "the values as a whole"
	}
	return strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
