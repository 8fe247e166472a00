package evidence

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/signerverifier"
)

// Environment variables that hold the key that evidence is signed with: its text, or a file of it.
const (
	KeyEnv     = "SEATRIAL_SIGNING_KEY"
	KeyFileEnv = "SEATRIAL_SIGNING_KEY_FILE"
)

// maxKey is the largest size of a key file, in bytes.
const maxKey = 64 << 10

// Key signs evidence. It is never printed.
type Key struct{ signer dsse.SignerVerifier }

// String hides the key from logs.
func (*Key) String() string { return "signing key (hidden)" }

// ID names the key in envelopes: the SHA-256 of its public part, as securesystemslib computes it.
func (k *Key) ID() string { return idOf(k.signer) }

// PublicKey checks signatures.
type PublicKey struct{ verifier dsse.Verifier }

// ID names the key in envelopes.
func (k PublicKey) ID() string { return idOf(k.verifier) }

func idOf(v interface{ KeyID() (string, error) }) string {
	id, err := v.KeyID()
	if err != nil {
		return "" // never: the library's own types return no error
	}
	return id
}

// load reads a key in PEM: Ed25519, or ECDSA on one of the NIST curves. An error never quotes
// the text.
func load(text []byte) (dsse.SignerVerifier, bool, error) {
	k, err := signerverifier.LoadKey(text)
	if err != nil {
		return nil, false, errors.New("not a key in PEM (PKCS #8 or PKIX): seatrial attest keygen makes one")
	}
	var s dsse.SignerVerifier
	switch k.KeyType {
	case signerverifier.ED25519KeyType:
		s, err = signerverifier.NewED25519SignerVerifierFromSSLibKey(k)
	case signerverifier.ECDSAKeyType:
		s, err = signerverifier.NewECDSASignerVerifierFromSSLibKey(k)
	default:
		return nil, false, fmt.Errorf("a key of type %s: use Ed25519 or ECDSA", k.KeyType)
	}
	if err != nil {
		return nil, false, errors.New("the key can't be used: make a new one with seatrial attest keygen")
	}
	return s, k.KeyVal.Private != "", nil
}

// ParseKey reads a private key in PEM.
func ParseKey(text []byte) (*Key, error) {
	s, private, err := load(text)
	if err != nil {
		return nil, err
	}
	if !private {
		return nil, errors.New("a public key: evidence is signed with the private one")
	}
	return &Key{s}, nil
}

// ParsePublicKey reads a public key in PEM (PKIX). It refuses a private one, which does not
// belong where public keys are kept.
func ParsePublicKey(text []byte) (PublicKey, error) {
	s, private, err := load(text)
	if err != nil {
		return PublicKey{}, err
	}
	if private {
		return PublicKey{}, errors.New("a private key stands where a public one belongs: replace the key, it is no longer a secret")
	}
	return PublicKey{s}, nil
}

// Public is the key's public part.
func (k *Key) Public() PublicKey { return PublicKey{k.signer} }

// FindKey reads the signing key from file ("-" is stdin) or, if file is empty, from
// $SEATRIAL_SIGNING_KEY or the file that $SEATRIAL_SIGNING_KEY_FILE names. It returns nil if no
// key is given. It removes $SEATRIAL_SIGNING_KEY from this process's environment.
func FindKey(file string, stdin io.Reader) (*Key, error) {
	text, named := []byte(os.Getenv(KeyEnv)), os.Getenv(KeyFileEnv)
	_ = os.Unsetenv(KeyEnv)
	var err error
	switch {
	case file == "-":
		text, err = io.ReadAll(io.LimitReader(stdin, maxKey))
	case file != "":
		text, err = os.ReadFile(file)
	case len(text) > 0:
	case named != "":
		file = named
		text, err = os.ReadFile(named)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the signing key: %w", err)
	}
	k, err := ParseKey(text)
	if err != nil && file != "" {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return k, err
}

// Generate makes a key, Ed25519 or else ECDSA on P-256 (for those who must have FIPS), and
// writes its private part to a new file that only its owner may read, and its public part to
// file.pub. It returns the public part in PEM.
func Generate(file string, ecdsaKey bool) ([]byte, error) {
	var private crypto.Signer
	var err error
	if ecdsaKey {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	shown, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return nil, err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: signerverifier.PublicKeyPEM, Bytes: shown})
	if err := writeNew(file, pem.EncodeToMemory(&pem.Block{Type: signerverifier.PrivateKeyPEM, Bytes: secret}), 0o600); err != nil {
		return nil, err
	}
	if err := writeNew(file+".pub", public, 0o644); err != nil {
		return nil, errors.Join(err, os.Remove(file))
	}
	return public, nil
}

// writeNew writes a file that must not be there.
func writeNew(file string, b []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: a key is never overwritten", file)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// sign signs the payload of an envelope; a nil key leaves it without a signature.
func (k *Key) sign(ctx context.Context, payload []byte) (*dsse.Envelope, error) {
	if k == nil {
		return unsigned(payload), nil
	}
	s, err := dsse.NewEnvelopeSigner(k.signer)
	if err != nil {
		return nil, err
	}
	return s.SignPayload(ctx, payloadType, payload)
}

// Sign signs bytes that are no envelope: the payload of a cosign signature.
func (k *Key) Sign(ctx context.Context, b []byte) ([]byte, error) { return k.signer.Sign(ctx, b) }

// PublicPEM is the key's public part in PEM.
func (k *Key) PublicPEM() ([]byte, error) {
	shown, err := x509.MarshalPKIXPublicKey(k.signer.Public())
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: signerverifier.PublicKeyPEM, Bytes: shown}), nil
}
