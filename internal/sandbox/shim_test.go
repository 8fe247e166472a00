package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// Provide copies private folders to their paths; undo removes these and every folder that was made for them.
func TestProvide(t *testing.T) {
	base, from := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(from, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "sub", "f"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "theirs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(name string) Private { return Private{Path: filepath.Join(base, name), From: from} }
	undo, err := Provide([]Private{at("a/b/c"), at("a/d"), at("e")})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/b/c", "a/d", "e"} {
		if b, err := os.ReadFile(filepath.Join(base, name, "sub", "f")); err != nil || string(b) != "content" {
			t.Errorf("%s: got %q, %v", name, b, err)
		}
	}
	if info, err := os.Stat(filepath.Join(base, "e")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others see it: %v", err)
	}
	undo()
	if exists(filepath.Join(base, "a")) || exists(filepath.Join(base, "e")) || !exists(filepath.Join(base, "theirs")) || !exists(filepath.Join(from, "sub")) {
		t.Error("after undo something is left, or too much is gone")
	}
	// An existing path is an error, and undoes what was made before it.
	for name, broken := range map[string][]Private{
		"a folder that is there": {at("a"), {Path: base, From: from}}, "a file that is there": {at("a"), at("theirs")},
		"nothing to show": {at("a"), {Path: filepath.Join(base, "x"), From: filepath.Join(from, "none")}},
	} {
		if _, err := Provide(broken); err == nil {
			t.Errorf("%s: no error", name)
		}
		if exists(filepath.Join(base, "a")) || exists(filepath.Join(base, "x")) || !exists(filepath.Join(base, "theirs")) || !exists(from) {
			t.Errorf("%s: something is left, or too much is gone", name)
		}
	}
}

// The keeper removes a file when a process ends, and not before.
func TestRemoveAtEnd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = Own()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := RemoveAtEnd(cmd.Process.Pid, file); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if !exists(file) {
		t.Error("it is gone before the process is")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for deadline := time.Now().Add(10 * time.Second); exists(file); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is still there")
		}
	}
}
