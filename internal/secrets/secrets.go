// Package secrets encrypts, decrypts and re-keys files with SOPS and age, in
// memory. It stands alone because SOPS brings the clients of every key service.
package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keyservice"
	sopsyaml "github.com/getsops/sops/v3/stores/yaml"
	"github.com/getsops/sops/v3/version"
)

// EncryptedRegex matches the keys whose values are encrypted in a manifest: those of a
// Secret's values.
const EncryptedRegex = "^(data|stringData)$"

// Environment variables that hold a key, as the sops command reads them.
const (
	KeyEnv     = "SOPS_AGE_KEY"
	KeyFileEnv = "SOPS_AGE_KEY_FILE"
)

// Key is a set of age identities. It is never printed.
type Key struct {
	text       []byte
	recipients []string
}

// String hides the key from logs.
func (k *Key) String() string { return "age key (hidden)" }

// Text is the key in the form of age-keygen's files.
func (k *Key) Text() []byte { return k.text }

// Recipients returns the recipients (public keys) of the identities.
func (k *Key) Recipients() []string { return k.recipients }

// NewKey makes a key that exists in memory only.
func NewKey() (*Key, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	return &Key{text: []byte(id.String() + "\n"), recipients: []string{id.Recipient().String()}}, nil
}

// ParseKey reads identities in the format of age-keygen's files. An error never quotes the text.
func ParseKey(text []byte) (*Key, error) {
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		// age's message may quote the text: a key never becomes part of an error.
		return nil, errors.New("not an age key: want lines starting with AGE-SECRET-KEY-, as age-keygen writes them")
	}
	k := &Key{text: text}
	for _, id := range ids {
		switch id := id.(type) {
		case *age.X25519Identity:
			k.recipients = append(k.recipients, id.Recipient().String())
		case *age.HybridIdentity:
			k.recipients = append(k.recipients, id.Recipient().String())
		}
	}
	if len(k.recipients) == 0 {
		return nil, errors.New("the age key holds no identity that SOPS can use")
	}
	return k, nil
}

// FindKey reads the key from file ("-" is stdin, up to 1 MiB) or, if file is empty,
// from $SOPS_AGE_KEY or the file that $SOPS_AGE_KEY_FILE names. It returns nil if no
// key is given. It removes $SOPS_AGE_KEY from this process's environment.
func FindKey(file string, stdin io.Reader) (*Key, error) {
	inEnv, fileInEnv := os.Getenv(KeyEnv), os.Getenv(KeyFileEnv)
	_ = os.Unsetenv(KeyEnv)
	var text []byte
	var err error
	switch {
	case file == "-":
		text, err = io.ReadAll(io.LimitReader(stdin, 1<<20))
	case file != "":
		text, err = os.ReadFile(file)
	case inEnv != "":
		text = []byte(inEnv)
	case fileInEnv != "":
		file = fileInEnv
		text, err = os.ReadFile(fileInEnv)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the age key: %w", err)
	}
	k, err := ParseKey(text)
	if err != nil && file != "" {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return k, err
}

// Encrypt encrypts the values of the keys that regex matches in a YAML file, or all
// values if regex is empty. It is an error if nothing is encrypted.
func Encrypt(plain []byte, recipients []string, regex string) ([]byte, error) {
	branches, err := store().LoadPlainFile(plain)
	if err != nil {
		return nil, err
	}
	like := sops.Metadata{EncryptedRegex: regex}
	if regex == "" {
		like.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
	}
	out, err := encrypt(branches, recipients, like)
	values, _, _ := bytes.Cut(out, []byte("\nsops:"))
	if err == nil && !bytes.Contains(values, []byte("ENC[")) {
		return nil, fmt.Errorf("nothing in it is encrypted by %q: its values would stay in plain text", regex)
	}
	return out, err
}

func encrypt(branches sops.TreeBranches, recipients []string, like sops.Metadata) ([]byte, error) {
	group, err := ageGroup(recipients)
	if err != nil {
		return nil, err
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{
		KeyGroups: []sops.KeyGroup{group}, Version: version.Version, LastModified: time.Now().UTC(),
		EncryptedRegex: like.EncryptedRegex, UnencryptedRegex: like.UnencryptedRegex,
		EncryptedSuffix: like.EncryptedSuffix, UnencryptedSuffix: like.UnencryptedSuffix,
		EncryptedCommentRegex: like.EncryptedCommentRegex, UnencryptedCommentRegex: like.UnencryptedCommentRegex,
		MACOnlyEncrypted: like.MACOnlyEncrypted,
	}}
	dataKey, errs := tree.GenerateDataKeyWithKeyServices([]keyservice.KeyServiceClient{keyservice.NewLocalClient()})
	if len(errs) > 0 {
		return nil, fmt.Errorf("make a data key: %w", errors.Join(errs...))
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(dataKey, cipher)
	if err != nil {
		return nil, err
	}
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, dataKey, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		return nil, err
	}
	return store().EmitEncryptedFile(tree)
}

// Decrypt decrypts a YAML file. It returns ErrOtherKey if key can't open it, and
// ErrChanged if it was changed after it was encrypted.
func Decrypt(encrypted []byte, key *Key) ([]byte, error) {
	tree, err := open(encrypted, key)
	if err != nil {
		return nil, err
	}
	return store().EmitPlainFile(tree.Branches)
}

// Normal returns a plain file in the form in which Decrypt returns it after it was encrypted.
func Normal(plain []byte) ([]byte, error) {
	branches, err := store().LoadPlainFile(plain)
	if err != nil {
		return nil, err
	}
	return store().EmitPlainFile(branches)
}

// open decrypts a file's values in memory. The key is passed to SOPS in memory, too:
// not by the environment or a file.
func open(encrypted []byte, key *Key) (*sops.Tree, error) { return openAs(store(), encrypted, key) }

func openAs(format sops.Store, encrypted []byte, key *Key) (*sops.Tree, error) {
	tree, err := format.LoadEncryptedFile(encrypted)
	if err != nil {
		return nil, err
	}
	dataKey, err := dataKeyOf(&tree, key)
	if err != nil {
		return nil, err
	}
	cipher := aes.NewCipher()
	mac, err := tree.Decrypt(dataKey, cipher)
	if err != nil {
		return nil, errors.New("decrypt: " + plainInput.ReplaceAllString(err.Error(), "a value that should be encrypted is in plain text"))
	}
	want, err := cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, dataKey, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		return nil, fmt.Errorf("%w: its code can't be decrypted", ErrChanged)
	}
	if want != mac {
		return nil, ErrChanged
	}
	return &tree, nil
}

// plainInput matches how SOPS quotes a value that it can't decrypt: a value in plain text,
// which must not become part of an error.
var plainInput = regexp.MustCompile(`(?s)Input string .* does not match sops' data format`)

// ErrChanged says that a file was changed after it was encrypted.
var ErrChanged = errors.New("the file was changed after it was encrypted (its MAC does not match)")

// ErrOtherKey says that a file is encrypted for others.
var ErrOtherKey = errors.New("the file is encrypted for another key")

// dataKeyOf decrypts a file's data key, with the first of its age recipients that key
// has an identity for.
func dataKeyOf(tree *sops.Tree, key *Key) ([]byte, error) {
	ids, err := age.ParseIdentities(bytes.NewReader(key.text))
	if err != nil {
		return nil, errors.New("not an age key")
	}
	for _, group := range tree.Metadata.KeyGroups {
		for _, k := range group {
			a, ok := k.(*sopsage.MasterKey)
			if !ok {
				continue
			}
			sopsage.ParsedIdentities(ids).ApplyToMasterKey(a)
			if secret, err := a.Decrypt(); err == nil {
				return secret, nil
			}
		}
	}
	return nil, ErrOtherKey
}

// Rekey makes a new file of an encrypted one, for other recipients and without its key.
// The names stay; placeholders replace the encrypted values.
func Rekey(encrypted []byte, recipients []string) ([]byte, error) {
	s := store()
	tree, err := s.LoadEncryptedFile(encrypted)
	if err != nil {
		return nil, err
	}
	for i, branch := range tree.Branches {
		tree.Branches[i] = placeholders(branch, "").(sops.TreeBranch)
	}
	return encrypt(tree.Branches, recipients, tree.Metadata)
}

// placeholders replaces every encrypted value below v. section is the top-level key
// that v is in, and name the key of v itself.
func placeholders(v any, section string, name ...string) any {
	switch v := v.(type) {
	case sops.TreeBranch:
		out := make(sops.TreeBranch, 0, len(v))
		for _, item := range v {
			key, isText := item.Key.(string)
			if !isText {
				continue // an encrypted comment
			}
			inner := section
			if inner == "" {
				inner = key
			}
			out = append(out, sops.TreeItem{Key: key, Value: placeholders(item.Value, inner, key)})
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if _, comment := e.(sops.Comment); !comment {
				out = append(out, placeholders(e, section, name...))
			}
		}
		return out
	case string:
		if strings.HasPrefix(v, "ENC[") {
			return placeholder(v, section, name)
		}
	}
	return v
}

func placeholder(encrypted, section string, name []string) any {
	switch {
	case strings.Contains(encrypted, ",type:int]"):
		return 0
	case strings.Contains(encrypted, ",type:float]"):
		return 0.5
	case strings.Contains(encrypted, ",type:bool]"):
		return false
	}
	text := "placeholder"
	if len(name) > 0 {
		for _, ext := range []string{".yaml", ".yml", ".json", ".dockerconfigjson", ".dockercfg"} {
			if strings.HasSuffix(name[0], ext) {
				text = "{}" // a JSON or YAML document, which programs expect to be a mapping
			}
		}
	}
	if section == "data" {
		return map[string]string{"placeholder": "cGxhY2Vob2xkZXI=", "{}": "e30="}[text]
	}
	return text
}

func store() *sopsyaml.Store { return sopsyaml.NewStore(&config.YAMLStoreConfig{}) }
