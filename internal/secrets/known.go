package secrets

import (
	"fmt"
	"strings"

	"github.com/getsops/sops/v3"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/redact"
)

// Known is every secret value of a tree's repos that this process could tell: those that
// key decrypts, those that stand in plain text, and the key itself. key may be nil.
func Known(key *Key, repos ...*gitops.Repo) *redact.Set {
	set := redact.New()
	if len(repos) == 0 {
		return set
	}
	set.Public(repos[0].PlainValues())
	for _, repo := range repos {
		for _, text := range repo.Derived() {
			set.Add("what substitution makes of a secret value", text)
		}
		for _, v := range repo.PlainSecrets() {
			set.Add(fmt.Sprintf("Secret %s, key %s", v.Secret, v.Key), v.Value)
		}
	}
	if key == nil {
		return set
	}
	for _, line := range strings.Split(string(key.Whole()), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "AGE-") {
			set.Add("the age key", line)
		}
		if line = strings.TrimSpace(line); len(line) >= 60 {
			set.Add("the PGP key", line)
		}
	}
	for name, content := range repos[0].EncryptedFiles() {
		_, parts, err := key.decrypt(content)
		if err != nil {
			continue // a value that can't be decrypted here can't appear in a message
		}
		for _, p := range parts {
			for _, branch := range p.branches {
				addDecrypted(set, name, branch, nil)
			}
		}
	}
	return set
}

// addDecrypted adds the values below a decrypted branch. After decryption, encrypted
// values can't be told from plain ones (kinds, names and the like). The latter do no
// harm: the set leaves out values that are in plain text elsewhere.
func addDecrypted(set *redact.Set, file string, v any, at []string) {
	switch v := v.(type) {
	case sops.TreeBranch:
		for _, item := range v {
			key := fmt.Sprint(item.Key)
			if len(at) == 0 && (key == "apiVersion" || key == "kind" || key == "metadata" || key == "type" || key == "sops") {
				continue
			}
			addDecrypted(set, file, item.Value, append(at[:len(at):len(at)], key))
		}
	case []any:
		for _, inner := range v {
			addDecrypted(set, file, inner, at)
		}
	case sops.Comment, nil, bool:
	default:
		set.Add(fmt.Sprintf("%s, key %s", file, strings.Join(at, ".")), fmt.Sprint(v))
	}
}
