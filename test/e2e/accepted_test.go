package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
)

// A repo that accepts why a layer fails passes under a name of its own, and its evidence is of no pass. What waits for
// that layer keeps it from passing all the same.
func TestAcceptedFailure(t *testing.T) {
	t.Parallel()
	layer := func(name, more string) string {
		return "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: " + name + ", namespace: flux-system}\n" +
			"spec: {interval: 10m, prune: true, path: ./" + name + ", sourceRef: {kind: GitRepository, name: flux-system}" + more + "}\n"
	}
	object := func(kind, metadata string) string {
		return "apiVersion: v1\nkind: " + kind + "\nmetadata: " + metadata + "\n"
	}
	files := map[string]string{
		"clusters/a/good.yaml": layer("good", ""), "clusters/a/bad.yaml": layer("bad", ""),
		"good/ns.yaml": object("Namespace", "{name: web}"), "bad/cm.yaml": object("ConfigMap", "{name: x, namespace: nowhere}"),
		".seatrial.yaml": "apiVersion: seatrial.dev/v1alpha1\nkind: Rehearsal\npodSecurity: baseline\npackagingGlobalNamespace: packages\naccept:\n" +
			"- {code: apply-failed, object: Kustomization/*/bad, reason: made by hand, until: 2999-12-31}\n" +
			"- {code: plaintext-secret, object: Secret/web/gone, reason: for a demo, until: 2999-12-31}\n",
	}
	dir, evidence := t.TempDir(), filepath.Join(t.TempDir(), "evidence.jsonl")
	writeFiles(t, dir, files)
	r := verify(t, dir, "--attest", evidence)
	if r.code != 0 || r.report.Verdict != verdict.PassAccepted || r.report.PodSecurity != "baseline" || r.report.PackagingGlobalNamespace != "packages" {
		t.Errorf("exit %d, %+v", r.code, r.report)
	}
	if i := slices.IndexFunc(r.report.Layers, func(l report.Layer) bool { return l.Name == "bad" }); i < 0 || r.report.Layers[i].Status != verdict.StatusFail || !r.report.Layers[i].Accepted {
		t.Errorf("layers %+v", r.report.Layers)
	}
	var codes []finding.Code
	for _, f := range r.report.Findings {
		codes = append(codes, f.Code)
	}
	if !slices.Equal(codes, []finding.Code{finding.ApplyFailed, finding.StaleAcceptance}) || r.report.Findings[0].Accepted.Reason != "made by hand" {
		t.Errorf("findings %+v", r.report.Findings)
	}
	if shown := command(t, nil, "attest", "show", evidence); !strings.Contains(shown.stdout, `"FAILED"`) || strings.Contains(shown.stdout, "_PASSED") || !strings.Contains(shown.stdout, "made by hand") {
		t.Errorf("evidence %s", shown.stdout)
	}
	files["clusters/a/next.yaml"], files["next/ns.yaml"] = layer("next", ", dependsOn: [{name: bad}]"), object("Namespace", "{name: next}")
	writeFiles(t, dir, files)
	if r := verify(t, dir); r.code != 1 || r.report.Verdict != verdict.Fail || finding.Errors(r.report.Findings) != 1 {
		t.Errorf("exit %d, %+v", r.code, r.report.Findings)
	}
}
