package gitops

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// RecipientRule is one creation rule of .sops.yaml.
type RecipientRule struct {
	path       *regexp.Regexp // nil: every file
	Recipients []string
	// EncryptedRegex names the keys whose values are encrypted; empty: all.
	EncryptedRegex string
}

// RecipientsFor returns the age recipients that .sops.yaml demands for a file, by
// slash-separated path; false if no rule matches.
func (t *Tree) RecipientsFor(file string) ([]string, bool) {
	return RecipientsOf(t.RecipientRules, file)
}

// RecipientsOf returns the age recipients of the first rule that matches a file.
func RecipientsOf(rules []RecipientRule, file string) ([]string, bool) {
	rule, found := RuleOf(rules, file)
	return rule.Recipients, found
}

// RuleOf returns the first rule about a file.
func RuleOf(rules []RecipientRule, file string) (RecipientRule, bool) {
	for _, rule := range rules {
		if rule.path == nil || rule.path.MatchString(file) {
			return rule, true
		}
	}
	return RecipientRule{}, false
}

// ReadRules reads the creation rules of .sops.yaml at the root of tree; nil if there is
// no such file.
func ReadRules(tree fs.FS) ([]RecipientRule, error) {
	b, err := fs.ReadFile(tree, ".sops.yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var config struct {
		CreationRules []struct {
			PathRegex      string `json:"path_regex"`
			EncryptedRegex string `json:"encrypted_regex"`
			Age            any    `json:"age"`
			KeyGroups      []struct {
				Age []string `json:"age"`
			} `json:"key_groups"`
		} `json:"creation_rules"`
	}
	if err := yaml.Unmarshal(b, &config); err != nil {
		return nil, fmt.Errorf(".sops.yaml: %w", err)
	}
	var out []RecipientRule
	for _, c := range config.CreationRules {
		rule := RecipientRule{EncryptedRegex: c.EncryptedRegex}
		if c.PathRegex != "" {
			if rule.path, err = regexp.Compile(c.PathRegex); err != nil {
				return nil, fmt.Errorf(".sops.yaml: path_regex: %w", err)
			}
		}
		switch age := c.Age.(type) {
		case string:
			for _, s := range strings.Split(age, ",") {
				rule.Recipients = append(rule.Recipients, strings.TrimSpace(s))
			}
		case []any:
			for _, s := range age {
				rule.Recipients = append(rule.Recipients, fmt.Sprint(s))
			}
		}
		for _, g := range c.KeyGroups {
			rule.Recipients = append(rule.Recipients, g.Age...)
		}
		rule.Recipients = slices.DeleteFunc(rule.Recipients, func(s string) bool { return s == "" })
		out = append(out, rule)
	}
	return out, nil
}

// Recipients are the age recipients of a decoded SOPS file.
func Recipients(doc map[string]any) []string {
	sops, _ := doc["sops"].(map[string]any)
	return recipients(sops)
}

func recipients(sops map[string]any) []string { return keysOf(sops, "age", "recipient") }

// Fingerprints are those of the PGP keys that a decoded SOPS file is encrypted for.
func Fingerprints(doc map[string]any) []string {
	sops, _ := doc["sops"].(map[string]any)
	return keysOf(sops, "pgp", "fp")
}

// KeyServices says whether a key service can decrypt a decoded SOPS file.
func KeyServices(doc map[string]any) bool {
	sops, _ := doc["sops"].(map[string]any)
	for sort, field := range map[string]string{"kms": "arn", "gcp_kms": "resource_id", "azure_kv": "vault_url", "hc_vault": "vault_address", "hckms": "key_id"} {
		if len(keysOf(sops, sort, field)) > 0 {
			return true
		}
	}
	return false
}

// keysOf are a field of each key of a sort in SOPS's metadata, those in groups included.
func keysOf(sops map[string]any, sort, field string) []string {
	var out []string
	add := func(keys any) {
		list, _ := keys.([]any)
		for _, k := range list {
			if m, ok := k.(map[string]any); ok {
				if s, ok := m[field].(string); ok {
					out = append(out, s)
				}
			}
		}
	}
	add(sops[sort])
	groups, _ := sops["key_groups"].([]any)
	for _, g := range groups {
		if m, ok := g.(map[string]any); ok {
			add(m[sort])
		}
	}
	return out
}

// File returns a file of the tree by its slash-separated path; false if there is none.
func (t *Tree) File(name string) ([]byte, bool) {
	if t.memory.IsDir(at(name)) {
		return nil, false
	}
	b, err := t.memory.ReadFile(at(name))
	return b, err == nil
}
