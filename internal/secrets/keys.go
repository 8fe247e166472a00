package secrets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"filippo.io/age"
)

// WriteNewKey makes a key and writes it, in the format of age-keygen, to a new file
// that only its owner may read. hybrid makes a post-quantum key.
func WriteNewKey(file string, hybrid bool) (*Key, error) {
	id, recipient, err := generateIdentity(hybrid)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already: a key is never overwritten", file)
	}
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", time.Now().UTC().Format(time.RFC3339), recipient, id)
	if _, err := io.WriteString(f, text); err != nil {
		f.Close()
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return &Key{text: []byte(text), recipients: []string{recipient}}, nil
}

func generateIdentity(hybrid bool) (identity, recipient string, err error) {
	if hybrid {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			return "", "", err
		}
		return id.String(), id.Recipient().String(), nil
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", err
	}
	return id.String(), id.Recipient().String(), nil
}

// FindKeys is FindKey with a file of armored PGP private keys beside it: "-" is stdin, also for both of
// them at once; empty: none.
func FindKeys(ageFile, pgpFile string, stdin io.Reader) (*Key, error) {
	var text []byte
	var err error
	switch {
	case pgpFile == "":
		return FindKey(ageFile, stdin)
	case pgpFile == "-":
		text, err = io.ReadAll(io.LimitReader(stdin, 1<<20))
	default:
		text, err = os.ReadFile(pgpFile)
	}
	if err != nil {
		return nil, fmt.Errorf("read the PGP key: %w", err)
	}
	k, err := ParseKey(text)
	if err == nil && len(k.pgp) == 0 {
		err = errors.New("no PGP private key in it: want what gpg --armor --export-secret-keys writes")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pgpFile, err)
	}
	if pgpFile == "-" && ageFile == "-" {
		if len(k.text) == 0 {
			return nil, errors.New("stdin holds a PGP key, and no age key beside it")
		}
		return k, nil
	}
	other, err := FindKey(ageFile, stdin)
	if err != nil {
		return nil, err
	}
	return k.And(other), nil
}
