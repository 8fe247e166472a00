package secrets

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sopsCommand builds the sops command that this module pins, once for the test run.
func sopsCommand(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "sops")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/getsops/sops/v3/cmd/sops").CombinedOutput(); err != nil {
		t.Fatalf("build sops: %v\n%s", err, out)
	}
	return bin
}

const plainSecret = `apiVersion: v1
kind: Secret
metadata:
    name: web
stringData:
    password: a value
    other: 'quoted: value'
`

// Files can be exchanged with the sops command, and both refuse a file that was changed.
func TestFilesInteroperateWithTheCommand(t *testing.T) {
	sops := sopsCommand(t)
	dir := t.TempDir()
	keyFile, file := filepath.Join(dir, "key"), filepath.Join(dir, "secret.yaml")
	key, err := WriteNewKey(keyFile, false)
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command(sops, args...)
		cmd.Env = append(os.Environ(), "SOPS_AGE_KEY_FILE="+keyFile)
		return cmd.CombinedOutput()
	}
	ours, err := Encrypt([]byte(plainSecret), key.Recipients(), EncryptedRegex)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, ours, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run("-d", file); err != nil || string(out) != plainSecret {
		t.Errorf("sops -d: %v\n%s", err, out)
	}
	if err := os.WriteFile(file, []byte(plainSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run("encrypt", "-i", "--age", key.Recipients()[0], "--encrypted-regex", EncryptedRegex, file); err != nil {
		t.Fatalf("sops encrypt: %v\n%s", err, out)
	}
	theirs, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := Decrypt(theirs, key); err != nil || string(plain) != plainSecret {
		t.Errorf("decrypt: %v\n%s", err, plain)
	}
	for name, b := range map[string][]byte{"ours": ours, "theirs": theirs} {
		changed := bytes.Replace(b, []byte("name: web"), []byte("name: bad"), 1)
		if _, err := Decrypt(changed, key); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: a changed file gives %v", name, err)
		}
		if err := os.WriteFile(file, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := run("-d", file); err == nil || !strings.Contains(string(out), "MAC") {
			t.Errorf("%s: sops takes a changed file: %s", name, out)
		}
	}
}

// After a change of recipients, or a rotation, the old key can't read the files.
func TestOldKeyReadsNothingAfterwards(t *testing.T) {
	for _, hybrid := range []bool{false, true} {
		old, err := WriteNewKey(filepath.Join(t.TempDir(), "old"), hybrid)
		if err != nil {
			t.Fatal(err)
		}
		next, err := WriteNewKey(filepath.Join(t.TempDir(), "next"), hybrid)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Encrypt([]byte(plainSecret), old.Recipients(), EncryptedRegex)
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func([]byte, *Key, []string) ([]byte, error){"edit": EditRecipients, "rotate": Rotate} {
			out, err := change(b, old, next.Recipients())
			if err != nil {
				t.Fatal(name, err)
			}
			if _, err := Decrypt(out, old); !errors.Is(err, ErrOtherKey) {
				t.Errorf("%s: the old key gives %v", name, err)
			}
			if plain, err := Decrypt(out, next); err != nil || string(plain) != plainSecret {
				t.Errorf("%s: the new key gives %v\n%s", name, err, plain)
			}
			if _, err := change(b, next, next.Recipients()); !errors.Is(err, ErrOtherKey) {
				t.Errorf("%s: a key that can't read it gives %v", name, err)
			}
		}
	}
}

func TestKeyIsNeverOverwritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if _, err := WriteNewKey(file, false); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteNewKey(file, false); err == nil {
		t.Error("a key was overwritten")
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
}
