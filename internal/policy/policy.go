// Package policy is what a promotion has to satisfy: the section promotion of a blueprint, or of
// the file .seatrial.yaml of any other repo, which it reads as a whole.
package policy

import (
	"time"

	"seatrial.dev/seatrial/internal/declaration"
)

// The version of .seatrial.yaml.
const (
	APIVersion = "seatrial.dev/v1alpha1"
	Kind       = "Rehearsal"
	// File is where a repo keeps it, at its top.
	File = declaration.File
)

// Rehearsal is what .seatrial.yaml holds.
type Rehearsal struct {
	APIVersion              string `yaml:"apiVersion" json:"apiVersion" jsonschema:"enum=seatrial.dev/v1alpha1"`
	Kind                    string `yaml:"kind" json:"kind" jsonschema:"enum=Rehearsal"`
	declaration.Declaration `yaml:",inline"`
	// What a promotion to a real cluster has to satisfy.
	Promotion *Promotion `yaml:"promotion,omitempty" json:"promotion,omitempty"`
}

// Promotion is how trees reach real clusters, and which.
type Promotion struct {
	// What has to be known of a tree before it is promoted.
	Evidence Evidence `yaml:"evidence" json:"evidence"`
	// The real clusters, by a name of your own, as seatrial promote --to takes it.
	Targets map[string]*Target `yaml:"targets" json:"targets"`
	// The order of seatrial promote --all: the clusters of a wave are promoted one after the other, and the next wave begins when they have stayed healthy for the soak time.
	Waves []Wave `yaml:"waves" json:"waves,omitempty"`
}

// Evidence is what a rehearsal of the very same tree must have shown.
type Evidence struct {
	// The lowest tier that is enough: embedded, kind or existing.
	Tier string `yaml:"tier" json:"tier,omitempty" jsonschema:"enum=embedded,enum=kind,enum=existing"`
	// How old a rehearsal may be, as 24h; 168h by default.
	MaxAge string `yaml:"maxAge" json:"maxAge,omitempty"`
	// The public keys, in PEM, of which one must have signed it; seatrial attest keygen makes one.
	Keys []string `yaml:"keys" json:"keys,omitempty"`
	// Whether evidence without a signature is enough. Whoever can write to the repo can then make evidence.
	Unsigned bool `yaml:"unsigned" json:"unsigned,omitempty"`
	// What a rehearsal may leave open.
	Accept Accept `yaml:"accept" json:"accept,omitempty"`
}

// Accept is what a rehearsal may leave open. Each list may hold "*" for everything of its kind.
type Accept struct {
	// Sources, by their URL or image, in whose place a stand-in was rehearsed: whether the real chart or package installs was not seen.
	StandIns []string `yaml:"standIns" json:"standIns,omitempty"`
	// What was taken for granted of the cluster, as reports word it; the preflight looks whether it holds.
	Assumptions []string `yaml:"assumptions" json:"assumptions,omitempty"`
	// Encrypted files, as patterns of their paths, whose values were placeholders: whether they can be decrypted was not seen.
	Rekeyed []string `yaml:"rekeyed" json:"rekeyed,omitempty"`
	// Kinds of blind spots of high severity.
	BlindSpots []string `yaml:"blindSpots" json:"blindSpots,omitempty"`
	// Codes of findings that are errors, and that the tree's own .seatrial.yaml accepts: it is rehearsed as if they were none, and layers may have failed.
	Findings []string `yaml:"findings" json:"findings,omitempty"`
}

// The deliveries.
const (
	ToBranch   = "branch"
	ToRequest  = "pull-request"
	ToApproved = "approved-ref"
	ToOCI      = "oci"
)

// What follows on a promotion that fails.
const (
	Stop     = "stop"
	Rollback = "rollback"
)

// Target is a real cluster.
type Target struct {
	// UID of the cluster's namespace kube-system, by which it is told from others: kubectl get namespace kube-system -o jsonpath={.metadata.uid}
	Cluster string `yaml:"cluster" json:"cluster"`
	// The cluster's folder in the repo, that Flux is bootstrapped on.
	Path string `yaml:"path" json:"path"`
	// Context of the kubeconfig; its current one by default.
	Context string `yaml:"context" json:"context,omitempty"`
	// How a tree gets to where the cluster takes it from.
	Delivery Delivery `yaml:"delivery" json:"delivery"`
	// What to do when a layer does not reconcile: stop (and say how to go back), or rollback.
	OnFailure string `yaml:"onFailure" json:"onFailure,omitempty" jsonschema:"enum=stop,enum=rollback"`
	// The longest time for all layers to reconcile; by default from the layers' own time limits.
	Budget string `yaml:"budget" json:"budget,omitempty"`
}

// Delivery is how a tree gets to where a cluster takes it from.
type Delivery struct {
	// branch: fast-forward the branch that the cluster tracks. pull-request: open or renew a pull or merge request into it. approved-ref: fast-forward a branch that only promotions move, and that the cluster tracks. oci: push the tree as a Flux artifact, signed.
	Type string `yaml:"type" json:"type,omitempty" jsonschema:"enum=branch,enum=pull-request,enum=approved-ref,enum=oci"`
	// Git remote of the clone; origin by default.
	Remote string `yaml:"remote" json:"remote,omitempty"`
	// Branch that is moved or requested to be; main by default, and <target>-approved of an approved-ref.
	Branch string `yaml:"branch" json:"branch,omitempty"`
	// Where the repo is hosted, which says how Flux is bootstrapped and how requests are opened.
	Provider string `yaml:"provider" json:"provider,omitempty" jsonschema:"enum=github,enum=gitlab,enum=gitea,enum=generic"`
	// Address of the provider's API, if it is not github.com or gitlab.com: https://git.my-domain.com
	Server string `yaml:"server" json:"server,omitempty"`
	// The owner's name at the provider: a user, an organization or a group.
	Owner string `yaml:"owner" json:"owner,omitempty"`
	// The repository's name at the provider.
	Repository string `yaml:"repository" json:"repository,omitempty"`
	// Whether the owner is a user, which flux bootstrap has to know.
	Personal bool `yaml:"personal" json:"personal,omitempty"`
	// Flux's components; those that flux bootstrap installs by default if empty.
	Components []string `yaml:"components" json:"components,omitempty"`
	// OCI repository of the artifact, as oci://registry.my-domain.com/fleet/services.
	URL string `yaml:"url" json:"url,omitempty"`
	// Tag that production's OCIRepository tracks; the target's name by default.
	Tag string `yaml:"tag" json:"tag,omitempty"`
}

// Wave is a group of targets.
type Wave struct {
	Targets []string `yaml:"targets" json:"targets"`
	// How long they must stay healthy, as 10m.
	Soak string `yaml:"soak" json:"soak,omitempty"`
}

// MaxAge is how old evidence may be.
func (p *Promotion) MaxAge() time.Duration { return duration(p.Evidence.MaxAge) }

// duration is a duration that was validated; 0 if it is empty.
func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

// Limit is the target's own limit for all layers to reconcile; 0 if it has none.
func (t *Target) Limit() time.Duration { return duration(t.Budget) }

// SoakTime is how long the wave's clusters must stay healthy.
func (w Wave) SoakTime() time.Duration { return duration(w.Soak) }
