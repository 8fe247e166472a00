package evidence

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
)

const (
	tree   = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	commit = "d20ace7968ba43c0219f62d71334c1095bab1602"
)

var at = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// newKey makes a key, as keygen does.
func newKey(t *testing.T, ecdsa bool) *Key {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if _, err := Generate(file, ecdsa); err != nil {
		t.Fatal(err)
	}
	k, err := FindKey(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sample() Rehearsal {
	return Of(&report.Report{
		Verdict: verdict.Pass, Tier: "embedded", Path: "clusters/a", Tree: tree, Commit: commit,
		Versions: map[string]string{"flux": "v2.9.5"}, Assumptions: []report.Assumption{{What: "restricted"}},
		StandIns: []report.StandIn{{Kind: "HelmRepository", Upstream: "https://charts", Serves: []string{"a 1"}, Digest: "sha256:" + strings.Repeat("ab", 32)}},
		Rekeyed:  []report.Rekeyed{{File: "s.yaml", Original: "sha256:" + strings.Repeat("0", 64), Rehearsed: "sha256:" + strings.Repeat("1", 64)}},
		Layers: []report.Layer{
			{Name: "a", Namespace: "flux-system", Status: verdict.Reconciled},
			{Name: "b", Namespace: "flux-system", Status: verdict.Reconciled, Findings: []finding.Finding{{}}},
		},
		Sources:    []report.Source{{Kind: "OCIRepository", Object: "a/b", URL: "oci://r/x", Tag: "1", Revision: "1@sha256:" + strings.Repeat("cd", 32)}},
		Demand:     &report.Demand{Pods: 3, CPU: "1", Memory: "1Gi", StorageClasses: []string{""}},
		BlindSpots: []finding.BlindSpot{finding.Unseen(finding.PodsSimulated, "pods")},
	}, at)
}

func seal(t *testing.T, e Rehearsal, k *Key) []byte {
	t.Helper()
	b, err := Seal(t.Context(), e, k)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What was sealed is what is read, for both kinds of keys.
func TestWhatIsSealedIsRead(t *testing.T) {
	for _, ecdsa := range []bool{false, true} {
		k := newKey(t, ecdsa)
		sealed := seal(t, sample(), k)
		opened, refused := Open(t.Context(), sealed, []PublicKey{newKey(t, false).Public(), k.Public()}, false)
		if len(refused) > 0 || len(opened) != 1 || opened[0].SignedBy != k.ID() {
			t.Fatalf("opened %v, refused %v", opened, refused)
		}
		if !reflect.DeepEqual(opened[0].Rehearsal, sample()) {
			t.Errorf("got  %+v\nwant %+v", opened[0].Rehearsal, sample())
		}
		if !strings.Contains(string(payload(t, sealed, 1)), `"SEATRIAL_EMBEDDED_PASSED"`) || strings.Contains(string(payload(t, sealed, 1)), "NO_HIGH") {
			t.Errorf("summary %s", payload(t, sealed, 1))
		}
	}
}

// A verdict that is no pass is no pass in any word of the evidence.
func TestFailureIsAttestedAsFailure(t *testing.T) {
	for _, v := range []verdict.Verdict{verdict.Fail, verdict.Inconclusive} {
		e := sample()
		e.Verdict = v
		sealed := seal(t, e, newKey(t, false))
		if !strings.Contains(string(payload(t, sealed, 0)), `"FAILED"`) || strings.Contains(string(payload(t, sealed, 1)), "PASSED") {
			t.Errorf("%s: %s", v, sealed)
		}
	}
	e := sample()
	e.Failed = []string{"flux-system/c"}
	if e.Passes() {
		t.Error("passes with a failed layer")
	}
	e = sample()
	e.Accepted = []Accepted{{Code: finding.HelmFailed}}
	if e.Passes() {
		t.Error("passes with an accepted error")
	}
}

// What the tree accepts is read as it was sealed, and is no pass.
func TestAcceptedErrorsAreAttested(t *testing.T) {
	f := finding.Finding{Code: finding.HelmFailed, Severity: finding.Error, Layer: "c", Object: "HelmRelease/a/b"}
	known := finding.Finding{Code: finding.UnknownValue, Severity: finding.Warning, Object: "HelmRelease/a/c"}
	f.Excuse("no GPU", "2027-01-31")
	known.Excuse("ours", "2027-01-31")
	e := Of(&report.Report{
		Verdict: verdict.PassAccepted, Tier: "embedded", Path: "clusters/a", Tree: tree, Findings: []finding.Finding{f, known},
		Layers: []report.Layer{{Name: "a", Namespace: "flux-system", Status: verdict.Reconciled}, {Name: "c", Namespace: "flux-system", Status: verdict.StatusFail, Accepted: true, Findings: []finding.Finding{f}}},
	}, at)
	if want := []Accepted{{finding.HelmFailed, "c", "HelmRelease/a/b", "no GPU", "2027-01-31"}}; !reflect.DeepEqual(e.Accepted, want) || !reflect.DeepEqual(e.Failed, []string{"flux-system/c"}) {
		t.Fatalf("got %+v", e)
	}
	k := newKey(t, false)
	sealed := seal(t, e, k)
	opened, refused := Open(t.Context(), sealed, []PublicKey{k.Public()}, false)
	if len(refused) > 0 || len(opened) != 1 || !reflect.DeepEqual(opened[0].Accepted, e.Accepted) || opened[0].Passes() || !opened[0].PassesAccepted() {
		t.Errorf("opened %+v, refused %v", opened, refused)
	}
	if !strings.Contains(string(payload(t, sealed, 0)), `"FAILED"`) || strings.Contains(string(payload(t, sealed, 1)), "PASSED") {
		t.Errorf("it passes: %s", sealed)
	}
	e.Failed = append(e.Failed, "flux-system/d")
	if e.PassesAccepted() {
		t.Error("a layer failed that nobody accepts")
	}
}

func envelope(t *testing.T, sealed []byte, i int) dsse.Envelope {
	t.Helper()
	var e dsse.Envelope
	if err := json.Unmarshal(bytes.Split(sealed, []byte("\n"))[i], &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func payload(t *testing.T, sealed []byte, i int) []byte {
	t.Helper()
	e := envelope(t, sealed, i)
	b, err := e.DecodeB64Payload()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Nothing that was tampered with is read.
func TestTamperedEvidenceIsRefused(t *testing.T) {
	k := newKey(t, false)
	sealed := seal(t, sample(), k)
	line := bytes.Split(sealed, []byte("\n"))[0]
	changed := func(change func(*dsse.Envelope)) []byte {
		e := envelope(t, sealed, 0)
		change(&e)
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	forged := bytes.Replace(payload(t, sealed, 0), []byte(tree), []byte(strings.Repeat("1", 40)), 1)
	for name, c := range map[string]struct {
		line []byte
		want error
	}{
		"forged":       {changed(func(e *dsse.Envelope) { e.Payload = base64.StdEncoding.EncodeToString(forged) }), ErrOtherKey},
		"stripped":     {changed(func(e *dsse.Envelope) { e.Signatures = nil }), ErrUnsigned},
		"unsigned":     {bytes.Split(seal(t, sample(), nil), []byte("\n"))[0], ErrUnsigned},
		"other key":    {bytes.Split(seal(t, sample(), newKey(t, false)), []byte("\n"))[0], ErrOtherKey},
		"other key ID": {changed(func(e *dsse.Envelope) { e.Signatures[0].KeyID = newKey(t, true).ID() }), ErrOtherKey},
		"other type":   {changed(func(e *dsse.Envelope) { e.PayloadType = "text/plain" }), nil},
		"truncated":    {line[:len(line)/2], nil},
		"cut payload":  {changed(func(e *dsse.Envelope) { e.Payload = e.Payload[:len(e.Payload)/2/4*4] }), ErrOtherKey},
	} {
		opened, refused := Open(t.Context(), c.line, []PublicKey{k.Public()}, false)
		if len(opened) > 0 || len(refused) != 1 || c.want != nil && !errors.Is(refused[0].Why, c.want) {
			t.Errorf("%s: opened %v, refused %v", name, opened, refused)
		}
	}
}

// A signature is for a payload of its type; and a statement that is signed but can't be read is told as such.
func TestSignedButUnreadable(t *testing.T) {
	k := newKey(t, false)
	signer, err := dsse.NewEnvelopeSigner(k.signer)
	if err != nil {
		t.Fatal(err)
	}
	for kind, signed := range map[string]bool{"text/plain": false, payloadType: true} {
		body := payload(t, seal(t, sample(), k), 0)
		if signed {
			body = bytes.Replace(body, []byte(configurationURI+"version"), []byte(configurationURI+"tomorrow"), 1)
		}
		e, err := signer.SignPayload(t.Context(), kind, body)
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		opened, refused := Open(t.Context(), line, []PublicKey{k.Public()}, false)
		if len(opened) > 0 || len(refused) != 1 || refused[0].Signed != signed {
			t.Errorf("%s: opened %v, refused %+v", kind, opened, refused)
		}
	}
}

// Signed or not, what contradicts itself or says what this version can't weigh is refused.
func TestOddStatementsAreRefused(t *testing.T) {
	k := newKey(t, false)
	whole := string(payload(t, seal(t, sample(), k), 0))
	for name, change := range map[string][2]string{
		"result":       {`"WARNED"`, `"PASSED"`},
		"unknown kind": {configurationURI + "assumption", configurationURI + "reservation"},
		"other kind":   {configurationURI + "assumption", "https://example.com/x"},
		"no tree":      {`"gitTree"`, `"sha1"`},
		"no run":       {`"verdict"`, `"word"`},
	} {
		if !strings.Contains(whole, change[0]) {
			t.Fatalf("%s: no %s in %s", name, change[0], whole)
		}
		e, err := k.sign(t.Context(), []byte(strings.ReplaceAll(whole, change[0], change[1])))
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if opened, refused := Open(t.Context(), line, []PublicKey{k.Public()}, false); len(opened) > 0 || len(refused) != 1 {
			t.Errorf("%s: opened %v, refused %v", name, opened, refused)
		}
	}
}

// What is only shown may be unsigned, and is then said to be.
func TestLenientReadingNamesNoSigner(t *testing.T) {
	opened, refused := Open(t.Context(), append([]byte("\n"), seal(t, sample(), nil)...), nil, true)
	if len(refused) > 0 || len(opened) != 1 || opened[0].SignedBy != "" {
		t.Errorf("opened %v, refused %v", opened, refused)
	}
}

// Keys are neither overwritten nor mixed up, and their text is in no message.
func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	public, err := Generate(file, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Generate(file, false); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("got %v", err)
	}
	secret, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := ParsePublicKey(secret); err == nil || !strings.Contains(err.Error(), "no longer a secret") {
		t.Errorf("a private key where a public one belongs: %v", err)
	}
	if _, err := ParseKey(public); err == nil {
		t.Error("signs with a public key")
	}
	if _, err := ParseKey(append([]byte("-----BEGIN PRIVATE KEY-----\nZm9v"), secret...)); err == nil || strings.Contains(err.Error(), "Zm9v") {
		t.Errorf("got %v", err)
	}
	t.Setenv(KeyEnv, string(secret))
	if k, err := FindKey("", nil); err != nil || k == nil || os.Getenv(KeyEnv) != "" {
		t.Errorf("key of the environment: %v, %v, still there: %t", k, err, os.Getenv(KeyEnv) != "")
	}
	if k, err := FindKey("", nil); k != nil || err != nil {
		t.Errorf("no key given: %v, %v", k, err)
	}
}
