package generate

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/secrets"
)

func render(t *testing.T, b *blueprint.Blueprint) map[string]File {
	t.Helper()
	files, err := Render(b, NewCredentials(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestSampleHoldsNoPlainSecret(t *testing.T) {
	key, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b := blueprint.Default()
	files := render(t, b)
	dir := t.TempDir()
	if err := Write(dir, files, key.Recipients()); err != nil {
		t.Fatal(err)
	}
	for name, f := range files {
		overlay := strings.HasSuffix(name, "-overlay.yml") // of a package, for which kapp-controller wants a Secret
		if strings.Contains(string(f.Data), "kind: Secret") != (f.Secret || overlay) {
			t.Errorf("%s: secret is %v", name, f.Secret)
		}
	}
}
