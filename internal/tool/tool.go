// Package tool knows the programs that a machine must have. Each is declared in the
// package that runs it; seatrial doctor reads the same declarations.
package tool

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"seatrial.dev/seatrial/internal/hint"
)

// Tool is a program that a package runs.
type Tool struct {
	// Name is the program's, as it is found on PATH.
	Name string
	// Version are the arguments that have it print its version; nil: nobody asks for it.
	Version []string
	// Install is the hint how to install it.
	Install string
}

// Find returns where the program is. An error has a hint.
func (t Tool) Find() (string, error) {
	path, err := exec.LookPath(t.Name)
	if err != nil {
		return "", t.Missing()
	}
	return path, nil
}

// Ask runs the program and returns the first line of its version.
func (t Tool) Ask(ctx context.Context) (string, error) {
	path, err := t.Find()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, path, t.Version...).Output()
	if err != nil {
		return "", hint.Wrap(fmt.Errorf("%s %s: %w", t.Name, strings.Join(t.Version, " "), err), t.Install)
	}
	text, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return text, nil
}

// Missing is the error of a program that is not there. It has a hint.
func (t Tool) Missing() error {
	return hint.New(t.Name+" is not on PATH", t.Install)
}
