package secrets

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A PGP key decrypts in memory what gpg's owner has encrypted.
func TestPGP(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed")
	}
	sopsBin, dir := sopsCommand(t), t.TempDir()
	home := filepath.Join(dir, "gnupg")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) []byte {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, args, err, err.(*exec.ExitError).Stderr)
		}
		return out
	}
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	run("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "flux", "default", "default", "never")
	text := run("gpg", "--armor", "--export-secret-keys", "flux")
	k, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "s.yaml")
	if err := os.WriteFile(file, []byte(plainSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	run(sopsBin, "encrypt", "-i", "--pgp", k.Fingerprints()[0], "--encrypted-regex", EncryptedRegex, file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir()) // no gpg any more
	if got, err := k.Open("s.yaml", b); err != nil || string(got) != plainSecret {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err := Decrypt(b, k); err != nil || string(got) != plainSecret {
		t.Errorf("%v\n%s", err, got)
	}
	if newKey(t).Suits(b) || !k.Suits(b) {
		t.Error("the file suits the wrong key")
	}
	m := maker(t, nil)
	remade, err := m.Transcribe(k, b)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decrypt(remade, m.Key()); err != nil || string(got) != plainSecret {
		t.Errorf("%v\n%s", err, got)
	}
	both := newKey(t).And(k)
	again, err := ParseKey(both.Whole())
	if err != nil || len(again.Recipients()) != 1 || len(again.Fingerprints()) != len(k.Fingerprints()) || len(again.Entries()) != 2 {
		t.Errorf("%v: %v %v", err, again.Recipients(), again.Fingerprints())
	}
	t.Setenv(KeyEnv, "")
	t.Setenv(KeyFileEnv, "")
	pgpFile, ageFile := filepath.Join(dir, "key.asc"), filepath.Join(dir, "age.agekey")
	if err := errors.Join(os.WriteFile(pgpFile, text, 0o600), os.WriteFile(ageFile, both.Text(), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		age, pgp, stdin string
		ages, pgps      int
		fails           string
	}{
		{"", pgpFile, "", 0, 2, ""}, {"", "-", string(text), 0, 2, ""}, {ageFile, pgpFile, "", 1, 2, ""}, {"-", pgpFile, string(both.Text()), 1, 2, ""},
		{"-", "-", string(both.Whole()), 1, 2, ""}, {"-", "-", string(text), 0, 0, "no age key beside it"}, {ageFile, "", "", 1, 0, ""},
		{"", ageFile, "", 0, 0, "no PGP private key"}, {"", filepath.Join(dir, "none"), "", 0, 0, "read the PGP key"},
	} {
		got, err := FindKeys(c.age, c.pgp, strings.NewReader(c.stdin))
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%+v: got %v", c, err)
			}
			continue
		}
		if err != nil || len(got.Recipients()) != c.ages || len(got.Fingerprints()) != c.pgps {
			t.Errorf("%s %s: %v: %v %v", c.age, c.pgp, err, got.Recipients(), got.Fingerprints())
		}
	}
	if strings.Contains(both.String(), "PGP PRIVATE") {
		t.Error("String shows the key")
	}
	if _, err := ParseKey([]byte(strings.Replace(string(text), "\n\n", "\n\ncanary", 1))); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

// What stands for a PGP key is one, the same in every run.
func TestThrowAwayPGP(t *testing.T) {
	k, err := ParseKey([]byte(throwAwayPGP()))
	if err != nil {
		t.Fatal(err)
	}
	if len(k.Fingerprints()) != 2 {
		t.Errorf("got %v", k.Fingerprints())
	}
}
