package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

const whole = `apiVersion: seatrial.dev/v1alpha1
kind: Rehearsal
promotion:
  evidence:
    unsigned: true
    accept: {}
  targets:
    production:
      cluster: 01234567-89ab-cdef-0123-456789abcdef
      path: ./clusters/a/
      delivery: {type: approved-ref}
`

func parse(t *testing.T, text string) *Promotion {
	t.Helper()
	r, err := Parse(File, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r.Promotion
}

func TestDefaults(t *testing.T) {
	p := parse(t, whole)
	target := p.Targets["production"]
	if target.Path != "clusters/a" || target.OnFailure != Stop || target.Delivery.Branch != "production-approved" || target.Delivery.Remote != "origin" || p.MaxAge() != 168*time.Hour || p.Evidence.Tier != "embedded" {
		t.Errorf("%+v, %+v", p.Evidence, target)
	}
}

// Every mistake is told with its line and what to write.
func TestMistakesAreTold(t *testing.T) {
	dir := t.TempDir()
	public, err := evidence.Generate(filepath.Join(dir, "key"), false)
	if err != nil {
		t.Fatal(err)
	}
	private, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	indented := func(b []byte) string { return strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\n        ") }
	for _, c := range []struct{ from, to, want string }{
		{"unsigned: true", "unsined: true", "5: unknown key promotion.evidence.unsined: did you mean unsigned?"},
		{"unsigned: true", "maxAge: 1h", "4: promotion.evidence: no key is named"},
		{"unsigned: true", "keys: [nonsense]", "not a key in PEM"},
		{"unsigned: true", "keys:\n      - |\n        " + indented(private), "no longer a secret"},
		{"unsigned: true", "unsigned: true\n    maxAge: forever", `6: promotion.evidence.maxAge: got "forever"`},
		{"accept: {}", "accept: {blindSpots: [pods-simulatd]}", "did you mean pods-simulated?"},
		{"accept: {}", `accept: {rekeyed: ["["]}`, "is no pattern"},
		{"accept: {}", "accept: {findings: [helm-release-faild]}", "did you mean helm-release-failed?"},
		{"accept: {}", "tier: real", "promotion.evidence.tier"},
		{"01234567-89ab", "x", "kube-system"},
		{"path: ./clusters/a/", "path: ../a", "write the cluster's folder"},
		{"approved-ref", "pull-request", "a generic Git server has no requests"},
		{"approved-ref", "oci", "write the artifact's repository"},
		{"type: approved-ref", "provider: github", "needs owner and repository"},
		{"type: approved-ref", "branch: a..b", "write a name of letters"},
		{"      delivery:", "      onFailure: panic\n      delivery:", "promotion.targets.production.onFailure"},
		{"  targets:\n", "  waves: [{targets: [prodution]}]\n  targets:\n", "did you mean production?"},
		{"  targets:\n", "  waves: [{targets: [production]}, {targets: [production]}]\n  targets:\n", "is in two places"},
		{"kind: Rehearsal", "kind: Blueprint", `2: kind: got "Blueprint"`},
	} {
		_, err := Parse(File, []byte(strings.Replace(whole, c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.to, err, c.want)
		}
	}
	if _, err := Parse(File, []byte(strings.Replace(whole, "unsigned: true", "keys:\n      - |\n        "+indented(public), 1))); err != nil {
		t.Error(err)
	}
}

func passed() evidence.Opened {
	return evidence.Opened{SignedBy: "k", Rehearsal: evidence.Rehearsal{
		Run: evidence.Run{Verdict: verdict.Pass, Tier: "embedded", Path: "clusters/a", Finished: now.Add(-time.Hour)}, Tree: "t",
	}}
}

// accepts has a layer have failed, and the tree accept that until a day.
func accepts(until string) func(*evidence.Opened) {
	return func(o *evidence.Opened) {
		o.Verdict, o.Failed = verdict.PassAccepted, []string{"flux-system/apps"}
		o.Accepted = []evidence.Accepted{{Code: finding.HelmFailed, Layer: "apps", Object: "HelmRelease/a/b", Reason: "no GPU", Until: until}}
	}
}

var subject = Subject{Tree: "t", Path: "clusters/a"}

// Each reservation keeps the gate shut until the policy accepts it.
func TestEachReservationIsWeighed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*evidence.Opened)
		accept func(*Promotion) // nil: nothing can accept it
		want   string
	}{
		"other tree":   {func(o *evidence.Opened) { o.Tree = "u" }, nil, "not of this one"},
		"other folder": {func(o *evidence.Opened) { o.Path = "clusters/b" }, nil, "of folder clusters/b"},
		"failed":       {func(o *evidence.Opened) { o.Verdict = verdict.Fail }, nil, "its verdict is fail"},
		"inconclusive": {func(o *evidence.Opened) { o.Verdict = verdict.Inconclusive }, nil, "its verdict is inconclusive"},
		"failed layer": {func(o *evidence.Opened) { o.Failed = []string{"a"} }, nil, "verdict"},
		"future":       {func(o *evidence.Opened) { o.Finished = now.Add(time.Hour) }, nil, "in the future"},
		"unsigned":     {func(o *evidence.Opened) { o.SignedBy = "" }, func(p *Promotion) { p.Evidence.Unsigned = true }, "not signed"},
		"old":          {func(o *evidence.Opened) { o.Finished = now.Add(-200 * time.Hour) }, func(p *Promotion) { p.Evidence.MaxAge = "300h" }, "200h0m0s old"},
		"stand-in": {func(o *evidence.Opened) { o.StandIns = []report.StandIn{{Upstream: "https://charts"}} },
			func(p *Promotion) { p.Evidence.Accept.StandIns = []string{"https://charts"} }, "stand-in took the place of https://charts"},
		"assumption": {func(o *evidence.Opened) { o.Assumptions = []string{"x"} }, func(p *Promotion) { p.Evidence.Accept.Assumptions = []string{"*"} }, "taken for granted"},
		"re-keyed": {func(o *evidence.Opened) { o.Rekeyed = []report.Rekeyed{{File: "a/s.yaml"}} },
			func(p *Promotion) { p.Evidence.Accept.Rekeyed = []string{"a/*.yaml"} }, "placeholders"},
		"blind spot": {func(o *evidence.Opened) {
			o.BlindSpots = []finding.BlindSpot{finding.Unseen(finding.PodsSimulated, "pods")}
		},
			func(p *Promotion) { p.Evidence.Accept.BlindSpots = []string{"pods-simulated"} }, "blind spot pods-simulated"},
		"accepted by the tree": {accepts("2026-11-01"), func(p *Promotion) { p.Evidence.Accept.Findings = []string{"helm-release-failed"} }, "helm-release-failed of HelmRelease/a/b is an error that the tree itself accepts (no GPU)"},
		"all accepted":         {accepts("2026-11-01"), func(p *Promotion) { p.Evidence.Accept.Findings = []string{"*"} }, "an error that the tree itself accepts"},
		"accepted too long":    {func(o *evidence.Opened) { accepts("2026-10-31")(o) }, nil, "was accepted until 2026-10-31 only"},
		"accepted and passed":  {func(o *evidence.Opened) { accepts("2026-11-01")(o); o.Verdict = verdict.Pass }, nil, "its verdict is pass"},
		"nothing accepted":     {func(o *evidence.Opened) { o.Verdict = verdict.PassAccepted }, nil, "its verdict is pass-with-accepted"},
		"another layer failed": {func(o *evidence.Opened) { accepts("2026-11-01")(o); o.Failed = append(o.Failed, "flux-system/db") }, nil, "its verdict is pass-with-accepted"},
		"played down": {func(o *evidence.Opened) {
			o.BlindSpots = []finding.BlindSpot{{Code: finding.PodsSimulated, Severity: finding.Low}}
		}, func(p *Promotion) { p.Evidence.Accept.BlindSpots = []string{"*"} }, "blind spot pods-simulated"},
	} {
		p := parse(t, whole)
		p.Evidence.Unsigned = false
		o := passed()
		if got := p.Weigh(o, subject, now); len(got) > 0 {
			t.Fatalf("it is refused without a reason: %v", got)
		}
		c.change(&o)
		got := p.Weigh(o, subject, now)
		if len(got) != 1 || !strings.Contains(got[0].What, c.want) || got[0].Fix == "" {
			t.Errorf("%s: got %v, want %s", name, got, c.want)
		}
		if c.accept == nil {
			continue
		}
		c.accept(p)
		if got := p.Weigh(o, subject, now); len(got) > 0 {
			t.Errorf("%s: accepted, but %v", name, got)
		}
	}
	p := parse(t, whole)
	p.Evidence.Tier = "kind"
	if got := p.Weigh(passed(), subject, now); len(got) != 1 || !strings.Contains(got[0].What, "the policy asks for kind") {
		t.Errorf("lower tier: %v", got)
	}
	low := passed()
	low.BlindSpots = []finding.BlindSpot{finding.Unseen(finding.OneNode, "one")}
	if got := parse(t, whole).Weigh(low, subject, now); len(got) > 0 {
		t.Errorf("a low blind spot: %v", got)
	}
}

func TestNewestEnoughEvidenceOpens(t *testing.T) {
	p := parse(t, whole)
	older, failed, other := passed(), passed(), passed()
	failed.Verdict, failed.Finished = verdict.Fail, now.Add(-time.Minute)
	other.Tree, other.Finished = "u", now
	if v := p.Judge([]evidence.Opened{other, older}, nil, subject, now); v.Opens == nil || v.Opens.Tree != "t" {
		t.Errorf("got %+v", v)
	}
	if v := p.Judge([]evidence.Opened{older, failed}, nil, subject, now); v.Opens != nil || !strings.Contains(v.Reasons[0].What, "its verdict is fail") {
		t.Errorf("a failure since: %+v", v)
	}
	tie := failed
	tie.Finished = older.Finished
	if v := p.Judge([]evidence.Opened{older, tie}, nil, subject, now); v.Opens != nil {
		t.Errorf("a failure of the same moment: %+v", v)
	}
	if v := p.Judge([]evidence.Opened{older}, []evidence.Refused{{Line: 2, Why: evidence.ErrUnsigned, Signed: true}}, subject, now); v.Opens != nil || !strings.Contains(v.Reasons[0].What, "can't be read") {
		t.Errorf("signed, and not readable: %+v", v)
	}
	forged := failed
	forged.SignedBy, p.Evidence.Unsigned = "", false
	if v := p.Judge([]evidence.Opened{older, forged}, nil, subject, now); v.Opens == nil {
		t.Errorf("an unsigned failure shuts the gate: %+v", v)
	}
	if v := p.Judge([]evidence.Opened{other}, []evidence.Refused{{Line: 3, Why: evidence.ErrOtherKey}}, subject, now); v.Opens != nil || len(v.Reasons) != 2 || !strings.Contains(v.Reasons[0].What, "no evidence for this very tree") {
		t.Errorf("none: %+v", v)
	}
}

func TestPublishedSchemaIsCurrent(t *testing.T) {
	got, err := Schema(".")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(PublishedSchema) {
		t.Error("run go generate ./internal/policy ./internal/blueprint")
	}
	if !strings.Contains(string(got), "How old a rehearsal may be") {
		t.Error("the schema has no descriptions")
	}
}

// What init writes is whole, and no cluster passes for the one that it names.
func TestStarterIsValid(t *testing.T) {
	p := parse(t, StarterFile("clusters/a", "x.json"))
	if p.Targets["production"].Cluster != NoCluster || p.Targets["production"].Path != "clusters/a" {
		t.Errorf("%+v", p.Targets["production"])
	}
}
