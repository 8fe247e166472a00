package generate

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/secrets"
)

// Who has an issuer that signed each certificate for itself, or had Vault's under another name, is told.
func TestChangedIssuersAreTold(t *testing.T) {
	const file = sources + "kapp-post/cert-manager.yaml"
	p := &Plan{Changes: []Change{{Path: file, Old: []byte("spec:\n  selfSigned: {}\n"), New: []byte("spec:\n  ca: {}\n")}, {Path: file, Old: []byte("a"), New: []byte("b")}}}
	if notes, err := p.Moved(); err != nil || len(notes) != 1 || !strings.Contains(notes[0], "have cert-manager renew them") {
		t.Errorf("%v %q", err, notes)
	}
	b := blueprint.Default()
	b.Services["vault"], b.Issuer = &blueprint.Service{}, "corp-pki"
	if notes := strings.Join(Notes(b), " "); !strings.Contains(notes, "issuer corp-pki is your own, and is not made here") {
		t.Error(notes)
	}
	b.Issuer = blueprint.VaultIssuer
	if notes := strings.Join(Notes(b), " "); strings.Contains(notes, "your own") {
		t.Error(notes)
	}
}

// Who has the chart of OpenLDAP that was withdrawn is told what to do.
func TestReplacedChartIsTold(t *testing.T) {
	key, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b := blueprint.Default()
	b.Services = map[string]*blueprint.Service{"openldap": {}, "trivy": {}}
	files, dir := render(t, b), filepath.Join(t.TempDir(), "out")
	const file = sources + "helm/openldap.yaml"
	now := files[file]
	files[file] = File{Data: []byte(strings.Replace(string(now.Data), "chart: openldap-stack-ha", "chart: openldap", 1))}
	if err := Write(dir, files, key.Recipients()); err != nil {
		t.Fatal(err)
	}
	files[file] = now
	plan, err := MakePlan(dir, files, Terms{Recipients: key.Recipients(), Known: true})
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	notes, err := plan.Moved()
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "openldap: chart openldap-stack-ha replaces openldap: its directory starts empty") {
		t.Errorf("%v %q", err, notes)
	}
	if err := plan.Apply(); err != nil {
		t.Fatal(err)
	}
	other := maps.Clone(files)
	other[file] = File{Data: append(bytes.Clone(now.Data), "# more\n"...)}
	newer, err := MakePlan(dir, other, Terms{Recipients: key.Recipients(), Known: true})
	if err != nil {
		t.Fatal(err)
	}
	defer newer.Close()
	if notes, err := newer.Moved(); err != nil || len(notes) > 0 {
		t.Errorf("the same chart counts as another: %v %q", err, notes)
	}
	again, err := MakePlan(dir, files, Terms{Recipients: key.Recipients(), Known: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if notes, err := again.Moved(); err != nil || len(notes) > 0 {
		t.Errorf("told again: %v %q", err, notes)
	}
	if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
		t.Error(err)
	}
}
