// Package secrets encrypts, decrypts and re-keys files with SOPS, age and PGP, in
// memory. It stands alone because SOPS brings the clients of every key service.
package secrets

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"time"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/keyservice"
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

// Key is a set of age identities, PGP keys or both. It is never printed.
type Key struct {
	text       []byte // of the age identities
	recipients []string
	armored    []byte // the PGP keys
	pgp        openpgp.EntityList
}

// String hides the key from logs.
func (k *Key) String() string { return "key (hidden)" }

// Text is the age identities in the form of age-keygen's files; empty if there are none.
func (k *Key) Text() []byte { return k.text }

// Whole is all of the key in the form in which ParseKey reads it: Text, with armored PGP keys after it.
func (k *Key) Whole() []byte { return slices.Concat(k.text, k.armored) }

// Entries are the key's entries in a Secret that Flux decrypts with.
func (k *Key) Entries() map[string]string {
	out := map[string]string{}
	if len(k.text) > 0 {
		out["age.agekey"] = string(k.text)
	}
	if len(k.armored) > 0 {
		out["pgp.asc"] = string(k.armored)
	}
	return out
}

// Recipients returns the recipients (public keys) of the age identities.
func (k *Key) Recipients() []string {
	if k == nil {
		return nil
	}
	return k.recipients
}

// And is a key that opens what either of two opens. other may be nil.
func (k *Key) And(other *Key) *Key {
	if k == nil || other == nil {
		return cmp.Or(k, other)
	}
	return &Key{
		text: bytes.Join([][]byte{bytes.TrimSpace(k.text), append(bytes.TrimSpace(other.text), '\n')}, []byte("\n")), recipients: slices.Concat(k.recipients, other.recipients),
		armored: slices.Concat(k.armored, other.armored), pgp: slices.Concat(k.pgp, other.pgp),
	}
}

// NewKey makes a key that exists in memory only.
func NewKey() (*Key, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	return &Key{text: []byte(id.String() + "\n"), recipients: []string{id.Recipient().String()}}, nil
}

// ParseKey reads identities in the format of age-keygen's files, armored PGP private keys without a
// passphrase, or both. An error never quotes the text.
func ParseKey(text []byte) (*Key, error) {
	blocks := armored.FindAll(text, -1)
	if len(blocks) == 0 {
		return parseAge(text)
	}
	ring, err := parsePGP(blocks)
	if err != nil {
		return nil, err
	}
	k := &Key{pgp: ring, armored: append(bytes.Join(blocks, []byte("\n")), '\n')}
	if rest := armored.ReplaceAll(text, nil); bytes.Contains(rest, []byte("AGE-")) {
		age, err := parseAge(rest)
		if err != nil {
			return nil, err
		}
		k.text, k.recipients = age.text, age.recipients
	}
	return k, nil
}

func parseAge(text []byte) (*Key, error) {
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
	return encryptAs(store(), branches, recipients, like)
}

// encryptAs encrypts branches in a format, by the rules of like, for recipients only.
func encryptAs(format sops.Store, branches sops.TreeBranches, recipients []string, like sops.Metadata) ([]byte, error) {
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
	return format.EmitEncryptedFile(tree)
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
func open(encrypted []byte, key *Key) (*sops.Tree, error) {
	tree, err := store().LoadEncryptedFile(encrypted)
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
		return nil, concealed(err)
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
