package cli

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/report"
)

// The types of flags: each owns its values, its help and what it refuses, so that bad
// input ends a command before it does anything.

// choice is a flag that takes one of a few words.
type choice struct {
	value string
	of    []string
}

// newChoice takes one of some words, the first by default.
func newChoice(of ...string) choice { return choice{of[0], of} }

// newOutput is the flag -o of verbs that print data.
func newOutput() choice { return newChoice(outputText, outputJSON) }

// What -o takes.
const (
	outputText = "text"
	outputJSON = "json"
)

// String implements pflag.Value.
func (c *choice) String() string { return c.value }

// Type implements pflag.Value: it is what the help shows.
func (c *choice) Type() string { return strings.Join(c.of, "|") }

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		last := len(c.of) - 1
		return errors.New("use " + strings.Join(c.of[:last], ", ") + " or " + c.of[last])
	}
	c.value = s
	return nil
}

// reportFiles are the files that a report is written to, each in the format of its extension.
type reportFiles []string

// String implements pflag.Value.
func (r *reportFiles) String() string { return strings.Join(*r, ", ") }

// Type implements pflag.Value.
func (r *reportFiles) Type() string { return "file" }

// Set implements pflag.Value.
func (r *reportFiles) Set(s string) error {
	if s == "" {
		return errors.New("name a file")
	}
	if err := report.ValidFile(s); err != nil {
		return err
	}
	*r = append(*r, s)
	return nil
}

// runName is the name of a rehearsal: a DNS label of at most 20 characters, as it becomes
// part of other names.
type runName string

var validRun = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?$`)

// String implements pflag.Value.
func (r *runName) String() string { return string(*r) }

// Type implements pflag.Value.
func (r *runName) Type() string { return "name" }

// Set implements pflag.Value.
func (r *runName) Set(s string) error {
	if s != "" && !validRun.MatchString(s) {
		return errors.New("use up to 20 lower-case letters, digits and dashes")
	}
	*r = runName(s)
	return nil
}

// mirrors maps a registry's host to the URL of the mirror that is asked for its images first.
type mirrors map[string]string

// String implements pflag.Value.
func (m *mirrors) String() string {
	var out []string
	for registry, address := range *m {
		out = append(out, registry+"="+address)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// Type implements pflag.Value.
func (m *mirrors) Type() string { return "registry=url" }

// Set implements pflag.Value.
func (m *mirrors) Set(s string) error {
	registry, address, ok := strings.Cut(s, "=")
	u, err := url.Parse(address)
	if !ok || registry == "" || strings.ContainsAny(registry, "/ ") || err != nil || u.Scheme == "" || u.Hostname() == "" {
		return fmt.Errorf("want REGISTRY=URL, for example docker.io=https://mirror.example.com")
	}
	if *m == nil {
		*m = mirrors{}
	}
	(*m)[registry] = address
	return nil
}

// pgpHelp is the help of --pgp-key.
const pgpHelp = "file with the armored PGP private key of the repo's SOPS files, without a passphrase, - for stdin, where it may stand beside the age key"
