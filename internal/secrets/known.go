package secrets

import (
	"fmt"
	"path"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/ini"
	sopsjson "github.com/getsops/sops/v3/stores/json"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/redact"
)

// Known is every secret value of a repo that this process could tell: those that
// key decrypts, those that stand in plain text, and the key itself. key may be nil.
func Known(repo *gitops.Repo, key *Key) *redact.Set {
	set := redact.New()
	set.Public(repo.PlainValues())
	for _, v := range repo.PlainSecrets() {
		set.Add(fmt.Sprintf("Secret %s, key %s", v.Secret, v.Key), v.Value)
	}
	if key == nil {
		return set
	}
	for _, line := range strings.Split(string(key.Text()), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "AGE-") {
			set.Add("the age key", line)
		}
	}
	for name, content := range repo.EncryptedFiles() {
		tree, err := openAs(storeOf(name), content, key)
		if err != nil {
			continue // a value that can't be decrypted here can't appear in a message
		}
		for _, branch := range tree.Branches {
			addDecrypted(set, name, branch, nil)
		}
	}
	return set
}

// storeOf returns SOPS's reader for a file's extension.
func storeOf(name string) sops.Store {
	switch path.Ext(name) {
	case ".yaml", ".yml":
		return store()
	case ".env":
		return dotenv.NewStore(&config.DotenvStoreConfig{})
	case ".ini":
		return ini.NewStore(&config.INIStoreConfig{})
	case ".json":
		return sopsjson.NewStore(&config.JSONStoreConfig{})
	}
	return sopsjson.NewBinaryStore(&config.JSONBinaryStoreConfig{})
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
