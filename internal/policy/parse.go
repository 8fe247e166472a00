package policy

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/strict"
)

// Tiers are the tiers of rehearsals, from the lowest to the highest.
var Tiers = []string{"embedded", "kind", "existing"}

var (
	name  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	uid   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	ref   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)
	oci   = regexp.MustCompile(`^oci://[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$`)
)

// Complete fills in the defaults, and tells r what is wrong. The section stands under the key promotion.
func (p *Promotion) Complete(r *strict.Reader) {
	e := &p.Evidence
	e.Tier, e.MaxAge = cmp.Or(e.Tier, Tiers[0]), cmp.Or(e.MaxAge, "168h")
	r.OneOf("promotion.evidence.tier", e.Tier, Tiers...)
	positive(r, "promotion.evidence.maxAge", e.MaxAge)
	for i, text := range e.Keys {
		if _, err := evidence.ParsePublicKey([]byte(text)); err != nil {
			r.At(fmt.Sprintf("promotion.evidence.keys.%d", i), err.Error(), "write the public key that seatrial attest keygen printed")
		}
	}
	if len(e.Keys) == 0 && !e.Unsigned {
		r.At("promotion.evidence", "no key is named", "name the public keys of those who may sign (keys), or write unsigned: true if whoever can write to the repo may promote")
	}
	var kinds []string
	for _, kind := range finding.HighBlindSpots() {
		kinds = append(kinds, string(kind))
	}
	for i, kind := range e.Accept.BlindSpots {
		r.OneOf(fmt.Sprintf("promotion.evidence.accept.blindSpots.%d", i), kind, append(kinds, Everything)...)
	}
	for i, code := range e.Accept.Findings {
		r.OneOf(fmt.Sprintf("promotion.evidence.accept.findings.%d", i), code, append(declaration.Acceptable(), Everything)...)
	}
	for i, pattern := range e.Accept.Rekeyed {
		if _, err := path.Match(pattern, ""); err != nil {
			r.At(fmt.Sprintf("promotion.evidence.accept.rekeyed.%d", i), fmt.Sprintf("%q is no pattern", pattern), `write a file's path, in which * stands for any text without a slash, or "*" for all files`)
		}
	}
	if len(p.Targets) == 0 {
		r.At("promotion.targets", "there is none", "name the cluster that is promoted to")
	}
	for key, t := range p.Targets {
		at := "promotion.targets." + key
		if !name.MatchString(key) {
			r.At(at, fmt.Sprintf("got %q", key), "write a name of lower-case letters, digits and dashes")
		}
		if t == nil {
			r.At(at, "it is empty", "write its cluster, path and delivery")
			continue
		}
		t.complete(r, key, at)
	}
	p.completeWaves(r)
}

// Everything, in a list, accepts all of its kind.
const Everything = "*"

func positive(r *strict.Reader, at, text string) {
	if d, err := time.ParseDuration(text); err != nil || d <= 0 {
		r.At(at, fmt.Sprintf("got %q", text), "write a duration such as 30m or 24h")
	}
}

func (t *Target) complete(r *strict.Reader, key, at string) {
	t.OnFailure = cmp.Or(t.OnFailure, Stop)
	r.OneOf(at+".onFailure", t.OnFailure, Stop, Rollback)
	if !uid.MatchString(t.Cluster) {
		r.At(at+".cluster", fmt.Sprintf("got %q", t.Cluster), "write what kubectl get namespace kube-system -o jsonpath={.metadata.uid} prints")
	}
	t.Path = strings.TrimSuffix(strings.TrimPrefix(t.Path, "./"), "/")
	if t.Path == "" || path.IsAbs(t.Path) || path.Clean(t.Path) != t.Path || strings.HasPrefix(t.Path, "..") {
		r.At(at+".path", fmt.Sprintf("got %q", t.Path), "write the cluster's folder in the repo, such as platforms/clusters/services")
	}
	if t.Budget != "" {
		positive(r, at+".budget", t.Budget)
	}
	d := &t.Delivery
	d.Type, d.Remote, d.Provider = cmp.Or(d.Type, ToBranch), cmp.Or(d.Remote, "origin"), cmp.Or(d.Provider, "generic")
	branch := "main"
	if d.Type == ToApproved {
		branch = key + "-approved"
	}
	d.Branch, d.Tag = cmp.Or(d.Branch, branch), cmp.Or(d.Tag, key)
	r.OneOf(at+".delivery.type", d.Type, ToBranch, ToRequest, ToApproved, ToOCI)
	r.OneOf(at+".delivery.provider", d.Provider, "github", "gitlab", "gitea", "generic")
	if !plain.MatchString(d.Remote) {
		r.At(at+".delivery.remote", fmt.Sprintf("got %q", d.Remote), "write the name of one of the clone's remotes (git remote), and no address")
	}
	for field, value := range map[string]string{"branch": d.Branch, "tag": d.Tag} {
		if !ref.MatchString(value) || strings.Contains(value, "..") {
			r.At(at+".delivery."+field, fmt.Sprintf("got %q", value), "write a name of letters, digits, dots, dashes and slashes")
		}
	}
	if d.Provider != "generic" && (d.Owner == "" || d.Repository == "") {
		r.At(at+".delivery", "provider "+d.Provider+" needs owner and repository", "write both as they stand in the repo's address")
	}
	if d.Type == ToRequest && d.Provider == "generic" {
		r.At(at+".delivery.provider", "a generic Git server has no requests", "name github, gitlab or gitea, or take another type")
	}
	if d.Type == ToOCI && !oci.MatchString(d.URL) {
		r.At(at+".delivery.url", fmt.Sprintf("got %q", d.URL), "write the artifact's repository, such as oci://registry.my-domain.com/fleet/services")
	}
	if d.Type != ToOCI && d.URL != "" {
		r.At(at+".delivery.url", "it is for type oci", "remove it, or write type: oci")
	}
}

func (p *Promotion) completeWaves(r *strict.Reader) {
	seen := map[string]bool{}
	for i, w := range p.Waves {
		at := fmt.Sprintf("promotion.waves.%d", i)
		if len(w.Targets) == 0 {
			r.At(at+".targets", "there is none", "name at least one of the targets")
		}
		for j, t := range w.Targets {
			where := fmt.Sprintf("%s.targets.%d", at, j)
			if p.Targets[t] == nil {
				r.At(where, fmt.Sprintf("there is no target %q", t), strict.Meant(t, sorted(p.Targets)))
			}
			if seen[t] {
				r.At(where, fmt.Sprintf("%q is in two places", t), "keep one of them")
			}
			seen[t] = true
		}
		if w.Soak != "" {
			positive(r, at+".soak", w.Soak)
		}
	}
}

func sorted(targets map[string]*Target) []string {
	var out []string
	for key := range targets {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// Names are the targets' names, sorted.
func (p *Promotion) Names() []string { return sorted(p.Targets) }
