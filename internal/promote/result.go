package promote

import (
	"time"

	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/report"
)

// The version of the record.
const (
	APIVersion = "seatrial.dev/v1alpha1"
	Kind       = "Promotion"
)

// Outcome is what became of a promotion.
type Outcome string

// The outcomes.
const (
	Promoted   Outcome = "promoted"    // every layer of the cluster reconciled at the commit
	Planned    Outcome = "planned"     // a dry run: nothing was written
	Refused    Outcome = "refused"     // nothing was delivered: see Reasons and Findings
	Requested  Outcome = "requested"   // a pull or merge request waits for somebody
	Delivered  Outcome = "delivered"   // and not watched to the end
	Failed     Outcome = "failed"      // delivered, and not every layer reconciled
	RolledBack Outcome = "rolled-back" // failed, and the cluster reconciled what it had before
)

// Reason is why a promotion is refused.
type Reason struct {
	What string `json:"what"`
	// Fix is what would satisfy.
	Fix string `json:"fix"`
}

// Proof is the rehearsal that opened the gate.
type Proof struct {
	Tier        string              `json:"tier"`
	Finished    time.Time           `json:"finished"`
	SignedBy    string              `json:"signedBy,omitempty"` // key ID
	StandIns    int                 `json:"standIns"`
	Assumptions []string            `json:"assumptions,omitempty"`
	Rekeyed     int                 `json:"rekeyed"`
	BlindSpots  []finding.BlindSpot `json:"blindSpots"`
	// Accepted are errors of the rehearsal that the tree accepts, and the policy with it.
	Accepted []evidence.Accepted `json:"accepted,omitempty"`
}

// outcome says in a few words what the rehearsal came to.
func (p *Proof) outcome() string {
	if len(p.Accepted) > 0 {
		return "it passes but for errors that the repo accepts"
	}
	return "every layer reconciled"
}

// Result is the record of a promotion.
type Result struct {
	APIVersion string  `json:"apiVersion"`
	Kind       string  `json:"kind"`
	Target     string  `json:"target"`
	Outcome    Outcome `json:"outcome"`
	// Commit and Tree are what was to be promoted, and Base is the commit that the remote had; empty if it had none.
	Commit string `json:"commit"`
	Tree   string `json:"tree"`
	Base   string `json:"base,omitempty"`
	// Path is the cluster's folder.
	Path     string `json:"path,omitempty"`
	Evidence *Proof `json:"evidence,omitempty"`
	// PolicyChanges is true if the tree changes the policy, which does not hold yet.
	PolicyChanges bool     `json:"policyChanges,omitempty"`
	Reasons       []Reason `json:"reasons,omitempty"`
	Plan          *Plan    `json:"plan,omitempty"`
	// Preflight is how the cluster differs from what was rehearsed.
	Preflight []finding.Finding `json:"preflight,omitempty"`
	// Revision is what the cluster was to reconcile: a commit, or the digest of an artifact.
	Revision string `json:"revision,omitempty"`
	// Delivered is the commit that the cluster was given; Request is the address of a pull or merge request.
	Delivered string `json:"delivered,omitempty"`
	Request   string `json:"request,omitempty"`
	Artifact  string `json:"artifact,omitempty"` // of an OCI delivery, with its digest
	// Report is of the cluster's layers.
	Report *report.Report `json:"report,omitempty"`
	// Back is the commit that took the cluster back, and Again the report after it.
	Back   string            `json:"back,omitempty"`
	Again  *report.Report    `json:"again,omitempty"`
	policy *policy.Promotion // that held

	// Next says what to do by hand.
	Next []string `json:"next,omitempty"`
}

func newResult(o Options) *Result {
	return &Result{APIVersion: APIVersion, Kind: Kind, Target: o.Name}
}

// Passes says whether the promotion is where it was meant to be.
func (r *Result) Passes() bool {
	return r.Outcome == Promoted || r.Outcome == Planned || r.Outcome == Requested
}
