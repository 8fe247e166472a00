package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// podSecurity is what the admission plugin PodSecurity does by default.
type podSecurity struct {
	level  string
	exempt []string // namespaces
}

func (p *podSecurity) String() string { return p.level }

// Set reads LEVEL or LEVEL:NAMESPACE,NAMESPACE.
func (p *podSecurity) Set(v string) error {
	level, exempt, listed := strings.Cut(v, ":")
	if !slices.Contains([]string{"privileged", "baseline", "restricted"}, level) {
		return fmt.Errorf("want privileged, baseline or restricted, not %q", level)
	}
	p.level, p.exempt = level, nil
	if listed {
		p.exempt = strings.Split(exempt, ",")
	}
	return nil
}

// write writes the configuration of the API server's admission plugins into a file, and
// returns its name; nothing if there is nothing to configure.
func (p *podSecurity) write(file string) (string, error) {
	if p.level == "" {
		return "", nil
	}
	b, err := json.Marshal(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
		"plugins": []any{map[string]any{
			"name": "PodSecurity",
			"configuration": map[string]any{
				"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration",
				"defaults":   map[string]any{"enforce": p.level, "enforce-version": "latest"},
				"exemptions": map[string]any{"namespaces": p.exempt},
			},
		}},
	})
	if err != nil {
		return "", err
	}
	return file, os.WriteFile(file, b, 0o600)
}
