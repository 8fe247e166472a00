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
