package rehearse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/secrets"
	"seatrial.dev/seatrial/internal/standin"
)

// wanted lists the sources that a repo uses and that a stand-in may replace.
func wanted(repo *gitops.Repo) []standin.Wanted {
	versions := map[string][]string{} // exact versions that are asked for, by chart or package
	found := map[string]standin.Wanted{}
	for _, l := range repo.Layers {
		for _, o := range l.Objects {
			str := func(keys ...string) string {
				s, _, _ := unstructured.NestedString(o.Object, keys...)
				return s
			}
			switch o.GroupVersionKind().Group + "/" + o.GetKind() {
			case "source.toolkit.fluxcd.io/HelmRepository":
				url := str("spec", "url")
				found["h"+url] = standin.Wanted{Kind: "HelmRepository", Upstream: url, Versions: versions}
			case "packaging.carvel.dev/PackageRepository":
				if image := str("spec", "fetch", "imgpkgBundle", "image"); image != "" {
					found["p"+image] = standin.Wanted{Kind: "PackageRepository", Upstream: image, Versions: versions}
				}
			case "packaging.carvel.dev/PackageInstall":
				ref, version := str("spec", "packageRef", "refName"), str("spec", "packageRef", "versionSelection", "constraints")
				if _, err := semver.StrictNewVersion(version); err == nil {
					versions[ref] = append(versions[ref], version)
				}
			case "helm.toolkit.fluxcd.io/HelmRelease":
				chart, version := str("spec", "chart", "spec", "chart"), str("spec", "chart", "spec", "version")
				if _, err := semver.StrictNewVersion(version); err == nil {
					versions[chart] = append(versions[chart], version)
				}
			}
		}
	}
	var out []standin.Wanted
	for _, key := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[key])
	}
	return out
}

// bootstrapped is the Flux version of the components that a repo brings along
// from an earlier bootstrap, or "".
func bootstrapped(repo *gitops.Repo) string {
	for _, o := range repo.Layer(gitops.RootLayer).Objects {
		labels := o.GetLabels()
		if o.GetKind() == "CustomResourceDefinition" && labels["app.kubernetes.io/part-of"] == "flux" {
			return labels["app.kubernetes.io/version"]
		}
	}
	return ""
}

// rekey re-makes the repo's SOPS files for a key that lives in memory only, if
// no key was given. Each changed file is part of the report.
func (r *rehearsal) rekey(ctx context.Context, dir string) error {
	if r.Key != nil {
		return nil
	}
	files := map[string]bool{}
	for _, l := range r.repo.Layers {
		for _, o := range l.Objects {
			if o.Encrypted && l.Decrypts && o.File != "" {
				files[o.File] = true
			}
		}
	}
	if len(files) == 0 {
		return nil
	}
	// A file for a wrong recipient is left as it is: it must not become readable.
	for _, f := range r.static {
		if f.Code == finding.SOPSRecipient {
			delete(files, f.File)
		}
	}
	key, err := secrets.NewKey()
	if err != nil {
		return err
	}
	if r.Key = key; len(files) == 0 {
		return nil
	}
	changed := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		original, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		rekeyed, err := secrets.Rekey(original, key.Recipients())
		if err != nil {
			r.static = finding.Merge(r.static, []finding.Finding{{
				Code: finding.DecryptFailed, Severity: finding.Error, File: name, Line: 1,
				Message: "the file is not a whole SOPS file", Fix: "encrypt it again", Evidence: err.Error(),
			}})
			continue
		}
		changed[name] = rekeyed
		r.report.Rekeyed = append(r.report.Rekeyed, report.Rekeyed{File: name, Original: hash(original), Rehearsed: hash(rekeyed)})
	}
	r.console.Note(fmt.Sprintf("no age key given: %d SOPS files are rehearsed with the same names and placeholder values", len(changed)))
	r.report.BlindSpots = append(r.report.BlindSpots, fmt.Sprintf("no age key was given: whether the %d encrypted files can be decrypted, and what their values do, was not rehearsed", len(changed)))
	r.snapshot, err = r.snapshot.Replace(ctx, changed)
	return err
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
