package secrets

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	sopspgp "github.com/getsops/sops/v3/pgp"

	"seatrial.dev/seatrial/internal/placeholder"
)

// armored matches private keys in a text.
var armored = regexp.MustCompile(`(?s)-----BEGIN PGP PRIVATE KEY BLOCK-----.*?-----END PGP PRIVATE KEY BLOCK-----`)

// parsePGP reads armored private keys. An error never quotes the text.
func parsePGP(blocks [][]byte) (openpgp.EntityList, error) {
	var all openpgp.EntityList
	for _, b := range blocks {
		ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(b))
		if err != nil {
			return nil, errors.New("not a PGP private key: want what gpg --armor --export-secret-keys writes")
		}
		all = append(all, ring...)
	}
	for _, e := range all {
		private := e.PrivateKey != nil
		if private && e.PrivateKey.Encrypted {
			return nil, errors.New("the PGP key has a passphrase: export one without, as Flux needs it")
		}
		for _, sub := range e.Subkeys {
			private = private || sub.PrivateKey != nil
			if sub.PrivateKey != nil && sub.PrivateKey.Encrypted {
				return nil, errors.New("the PGP key has a passphrase: export one without, as Flux needs it")
			}
		}
		if !private {
			return nil, errors.New("not a PGP private key: it has the public half only")
		}
	}
	return all, nil
}

// Fingerprints are those of the PGP keys and their subkeys, as SOPS writes them.
func (k *Key) Fingerprints() []string {
	if k == nil {
		return nil
	}
	var out []string
	for _, e := range k.pgp {
		out = append(out, fmt.Sprintf("%X", e.PrimaryKey.Fingerprint))
		for _, sub := range e.Subkeys {
			out = append(out, fmt.Sprintf("%X", sub.PublicKey.Fingerprint))
		}
	}
	return out
}

// openPGP decrypts a data key in memory, without gpg and its folders.
func (k *Key) openPGP(m *sopspgp.MasterKey) ([]byte, error) {
	block, err := armor.Decode(strings.NewReader(m.EncryptedKey))
	if err != nil {
		return nil, err
	}
	message, err := openpgp.ReadMessage(block.Body, k.pgp, func([]openpgp.Key, bool) ([]byte, error) {
		return nil, errors.New("no passphrase")
	}, nil)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(message.UnverifiedBody, 1<<16))
}

// throwAwayPGP is the key that stands for any PGP key that is itself encrypted in a repo. It is the same in every run.
var throwAwayPGP = sync.OnceValue(func() string {
	made := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	e, err := openpgp.NewEntity(placeholder.Mark, "", "mail@"+placeholder.Mark+".example", &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, DefaultHash: crypto.SHA256,
		Rand: &stream{}, Time: func() time.Time { return made },
	})
	if err != nil {
		return ""
	}
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PrivateKeyType, nil)
	if err != nil || e.SerializePrivateWithoutSigning(w, nil) != nil || w.Close() != nil {
		return ""
	}
	return out.String()
})

// stream is a source of bytes that look random and are always the same.
type stream struct{ n uint64 }

// Read fills b; it never fails.
func (s *stream) Read(b []byte) (int, error) {
	for i := 0; i < len(b); i += sha256.Size {
		var block [8 + len(placeholder.Mark)]byte
		binary.BigEndian.PutUint64(block[:8], s.n)
		copy(block[8:], placeholder.Mark)
		sum := sha256.Sum256(block[:])
		copy(b[i:], sum[:])
		s.n++
	}
	return len(b), nil
}
