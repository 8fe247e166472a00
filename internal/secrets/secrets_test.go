package secrets

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/getsops/sops/v3/decrypt"
)

const plain = `apiVersion: v1
kind: Secret
metadata:
    name: x
stringData:
    password: canary-value
    values.yaml: |
        a: 1
data:
    raw: Y2FuYXJ5
`

func newKey(t *testing.T) *Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// decrypted is what SOPS's own decryption makes of a file.
func decrypted(t *testing.T, b []byte, k *Key) (string, error) {
	t.Helper()
	t.Setenv(KeyEnv, string(k.Text()))
	out, err := decrypt.Data(b, "yaml")
	return string(out), err
}

func TestEncryptHidesValuesAndSOPSDecrypts(t *testing.T) {
	k := newKey(t)
	enc, err := Encrypt([]byte(plain), k.Recipients(), EncryptedRegex)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(enc, []byte("canary")) || !bytes.Contains(enc, []byte("kind: Secret")) {
		t.Fatalf("got\n%s", enc)
	}
	got, err := decrypted(t, enc, k)
	if err != nil || got != plain {
		t.Fatalf("%v\n%s", err, got)
	}
	if _, err := decrypted(t, enc, newKey(t)); err == nil {
		t.Fatal("another key decrypts")
	}
}

func TestKeyStaysOutOfErrorsAndText(t *testing.T) {
	k := newKey(t)
	if _, err := ParseKey([]byte("AGE-SECRET-KEY-1CANARY")); err == nil || strings.Contains(err.Error(), "CANARY") {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(k.String(), "AGE-SECRET") {
		t.Fatal("String shows the key")
	}
}

func TestFindKeyTakesItOutOfTheEnvironment(t *testing.T) {
	k := newKey(t)
	t.Setenv(KeyEnv, string(k.Text()))
	got, err := FindKey("", nil)
	if err != nil || got == nil {
		t.Fatalf("got %v, %v", got, err)
	}
	if _, there := os.LookupEnv(KeyEnv); there {
		t.Fatal("still there")
	}
}

// An error does not quote a value in plain text that was put into an encrypted file.
func TestPlainValueInAnEncryptedFileIsNotTold(t *testing.T) {
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Encrypt([]byte("apiVersion: v1\nkind: Secret\nstringData:\n  a: one\n  b: two\n"), key.Recipients(), EncryptedRegex)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := regexp.MustCompile(`b: ENC\[[^\n]*`).ReplaceAll(b, []byte("b: in-plain-text-by-hand"))
	if _, err := Decrypt(spoilt, key); err == nil || strings.Contains(err.Error(), "by-hand") || !strings.Contains(err.Error(), "is in plain text") {
		t.Errorf("got %v", err)
	}
}
