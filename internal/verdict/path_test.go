package verdict

import (
	"strings"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/live/livetest"
)

// The critical path goes through what each thing waited for last, has no gaps, and names whose
// time each part was.
func TestPathLeadsThroughWhatWasWaitedFor(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	layer := func(name, inventory string) string {
		return ks(name, "True", "ReconciliationSucceeded", "", inventory) + "spec: {sourceRef: {kind: GitRepository, name: flux-system}}\n"
	}
	const ready = "status: {observedGeneration: 1, conditions: [{type: Ready, status: 'True'}]}\n"
	c := livetest.Cluster(t,
		layer("flux-system", "{id: flux-system_a_kustomize.toolkit.fluxcd.io_Kustomization, v: v1}, {id: flux-system_b_kustomize.toolkit.fluxcd.io_Kustomization, v: v1}, {id: flux-system_c_kustomize.toolkit.fluxcd.io_Kustomization, v: v1}"),
		layer("a", "{id: web_web__ConfigMap, v: v1}"), layer("b", ""), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: web}\n",
		layer("c", "{id: web_db_helm.toolkit.fluxcd.io_HelmRelease, v: v2}, {id: web_web_helm.toolkit.fluxcd.io_HelmRelease, v: v2}"),
		"apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: web, generation: 1}\nspec: {dependsOn: [{name: db}]}\n"+ready,
		"apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: db, namespace: web, generation: 1}\n"+ready)
	j := NewJudge(repo(t, "a", "b", "c<a"), commit, DefaultPatience, start)
	a := j.Assess(c, start)
	of := func(kind, namespace, name string) live.Ref {
		for ref := range c {
			if ref.Kind == kind && ref.Name == name && ref.Namespace == namespace {
				return ref
			}
		}
		return live.Ref{}
	}
	root, la, lb, lc := of("Kustomization", "flux-system", "flux-system"), of("Kustomization", "flux-system", "a"), of("Kustomization", "flux-system", "b"), of("Kustomization", "flux-system", "c")
	web, db := of("HelmRelease", "web", "web"), of("HelmRelease", "web", "db")
	source := live.Ref{GroupKind: root.GroupKind, Namespace: "flux-system", Name: "flux-system"}
	source.Group, source.Kind = "source.toolkit.fluxcd.io", "GitRepository"
	j.times = timeline{
		seen:    moments{root: start, la: at(2), lb: at(2), lc: at(2), db: at(6), web: at(6)},
		started: moments{root: at(1), la: at(3), lb: at(3), lc: at(5.5), web: at(9)},
		applied: moments{root: at(2), la: at(4), lb: at(4), lc: at(6)},
		ready:   moments{source: at(0.5), root: at(2), la: at(5), lb: at(4), db: at(8), web: at(11), lc: at(12)},
	}
	var got []string
	end := start
	for _, s := range j.Path(c, a, at(12.5)) {
		got = append(got, s.Of+": "+s.What)
		end = end.Add(time.Duration(s.Seconds * float64(time.Second)))
	}
	want := []string{
		"source-controller: GitRepository/flux-system/flux-system is fetched",
		"kustomize-controller: layer flux-system is taken up",
		"kustomize-controller: layer flux-system is built and applied",
		"kustomize-controller: layer a is taken up",
		"kustomize-controller: layer a is built and applied",
		"kustomize-controller: layer a is found ready",
		"kustomize-controller: layer c is taken up",
		"kustomize-controller: layer c is built and applied",
		"helm-controller: HelmRelease/web/db is installed",
		"helm-controller: HelmRelease/web/web is taken up",
		"helm-controller: HelmRelease/web/web is installed",
		"kustomize-controller: layer c is found ready",
		"seatrial: see that all is reconciled",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !end.Equal(at(12.5)) {
		t.Errorf("the path ends after %s", end.Sub(start))
	}
}

// Where layers fail, the path ends with what made sure of it.
func TestPathOfAFailureEndsAtRest(t *testing.T) {
	start := time.Unix(1000, 0)
	c := livetest.Cluster(t, root, ks("a", "False", "BuildFailed", "no", ""))
	j := NewJudge(repo(t, "a"), commit, DefaultPatience, start)
	a := j.Assess(c, start.Add(time.Second))
	EndAll(&a)
	spans := j.Path(c, a, start.Add(4*time.Second))
	if last := spans[len(spans)-1]; last.What != "nothing changes any more: make sure" || last.Seconds != 3 {
		t.Errorf("got %+v", spans)
	}
}

// A layer that was reconciled last and is gone since does not keep the path from being told.
func TestPathWithoutTheLayerItself(t *testing.T) {
	start := time.Unix(1000, 0)
	j := NewJudge(repo(t, "a"), commit, DefaultPatience, start)
	j.Assess(livetest.Cluster(t, root), start.Add(time.Second))
	j.Assess(livetest.Cluster(t, root, ks("a", "True", "ReconciliationSucceeded", "", "")), start.Add(2*time.Second))
	c := livetest.Cluster(t, root)
	if spans := j.Path(c, j.Assess(c, start.Add(3*time.Second)), start.Add(4*time.Second)); len(spans) == 0 {
		t.Error("there is no path")
	}
}

// A layer that was never tried is no success: the path says that it was made sure of.
func TestPathOfWhatIsOnlyBlocked(t *testing.T) {
	start := time.Unix(1000, 0)
	c := livetest.Cluster(t, root)
	j := NewJudge(repo(t, "a<nowhere", "b<a"), commit, DefaultPatience, start)
	a := j.Assess(c, start.Add(time.Second))
	spans := j.Path(c, a, start.Add(4*time.Second))
	if last := spans[len(spans)-1]; !a.Final || last.What != "nothing changes any more: make sure" {
		t.Errorf("final %v, got %+v", a.Final, spans)
	}
}
