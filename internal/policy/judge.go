package policy

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/finding"
)

// Reason is why evidence does not open the gate.
type Reason struct {
	What string
	// Fix is what would satisfy the policy.
	Fix string
}

// Subject is what is to be promoted.
type Subject struct {
	// Tree is Git's hash of the tree, and Path the cluster's folder in it.
	Tree, Path string
}

// PublicKeys are the keys of which one must have signed.
func (p *Promotion) PublicKeys() []evidence.PublicKey {
	var out []evidence.PublicKey
	for _, text := range p.Evidence.Keys {
		if k, err := evidence.ParsePublicKey([]byte(text)); err == nil { // Parse has refused others
			out = append(out, k)
		}
	}
	return out
}

// Weigh says why a rehearsal is not enough to promote the subject; nothing if it is.
func (p *Promotion) Weigh(o evidence.Opened, s Subject, now time.Time) []Reason {
	var out []Reason
	no := func(fix, format string, args ...any) { out = append(out, Reason{fmt.Sprintf(format, args...), fix}) }
	e := p.Evidence
	if o.Tree != s.Tree {
		no("rehearse this tree: seatrial verify", "it is of tree %.12s, not of this one (%.12s)", o.Tree, s.Tree)
	}
	if clean(o.Path) != clean(s.Path) {
		no("rehearse that folder: seatrial verify --path "+s.Path, "it is of folder %s, not of the target's %s", o.Path, s.Path)
	}
	switch {
	case o.Passes():
	case o.PassesAccepted():
		out = append(out, e.Accept.errors(o, now)...)
	default:
		no("mend what the report says, and rehearse again", "its verdict is %s", o.Verdict)
	}
	if o.SignedBy == "" && !e.Unsigned {
		no("sign it: seatrial verify --signing-key", "it is not signed by a key of the policy")
	}
	if age := now.Sub(o.Finished); age > p.MaxAge() {
		no("rehearse again", "it is %s old, and the policy allows %s", age.Round(time.Minute), e.MaxAge)
	} else if age < -clockSkew {
		no("set the clocks right, and rehearse again", "it is from %s in the future", (-age).Round(time.Second))
	}
	if slices.Index(Tiers, o.Tier) < slices.Index(Tiers, e.Tier) {
		no("rehearse with --cluster "+e.Tier, "it is of tier %s, and the policy asks for %s", o.Tier, e.Tier)
	}
	return append(out, e.Accept.reservations(o)...)
}

// errors are those that the tree accepts and the policy does not. What is promoted brings its own list of accepted
// findings; so that it opens no gate by itself, the policy has a say, as long as the tree's own word holds.
func (a Accept) errors(o evidence.Opened, now time.Time) []Reason {
	var out []Reason
	today := now.UTC().Format(time.DateOnly)
	for _, f := range o.Accepted {
		switch what := fmt.Sprintf("%s of %s", f.Code, f.Object); {
		case f.Until < today:
			out = append(out, Reason{fmt.Sprintf("%s was accepted until %s only", what, f.Until), "mend it, or renew its entry in accept of " + File + ", and rehearse again"})
		case !among(a.Findings, string(f.Code)):
			out = append(out, Reason{fmt.Sprintf("%s is an error that the tree itself accepts (%s)", what, f.Reason), "mend it and rehearse again, or accept it: accept.findings of the policy"})
		}
	}
	return out
}

// clockSkew is how far two machines' clocks may differ.
const clockSkew = 5 * time.Minute

func clean(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// reservations are what a rehearsal left open that is not accepted.
func (a Accept) reservations(o evidence.Opened) []Reason {
	var out []Reason
	for _, s := range o.StandIns {
		if !among(a.StandIns, s.Upstream) {
			out = append(out, Reason{"a stand-in took the place of " + s.Upstream, "rehearse with --sources live, or accept it: accept.standIns"})
		}
	}
	for _, text := range o.Assumptions {
		if !among(a.Assumptions, text) {
			out = append(out, Reason{"it was taken for granted that " + text, "accept it: accept.assumptions"})
		}
	}
	for _, f := range o.Rekeyed {
		if !slices.ContainsFunc(a.Rekeyed, func(pattern string) bool {
			ok, err := path.Match(pattern, f.File)
			return pattern == Everything || err == nil && ok
		}) {
			out = append(out, Reason{"values of " + f.File + " were placeholders", "rehearse with the age key (--age-key), or accept it: accept.rekeyed"})
		}
	}
	told := map[finding.Blind]bool{}
	for _, b := range o.BlindSpots {
		// By the evidence's word or by this version's table, whichever is graver.
		grave := b.Severity == finding.High || slices.Contains(finding.HighBlindSpots(), b.Code)
		if grave && !told[b.Code] && !among(a.BlindSpots, string(b.Code)) {
			told[b.Code] = true
			out = append(out, Reason{fmt.Sprintf("blind spot %s: %s", b.Code, b.Message), "rehearse on a higher tier, or accept it: accept.blindSpots"})
		}
	}
	return out
}

func among(list []string, what string) bool {
	return slices.Contains(list, Everything) || slices.Contains(list, what)
}

// Verdict is what comes of all evidence that there is.
type Verdict struct {
	// Opens is the rehearsal that opens the gate; nil if none does.
	Opens *evidence.Opened
	// Reasons say why none does, by the newest that comes nearest.
	Reasons []Reason
}

// signing is how evidence is signed, if the policy asks for that.
func (p *Promotion) signing() string {
	if p.Evidence.Unsigned {
		return ""
	}
	return " --signing-key FILE"
}

// rank puts failures before passes of the same moment.
func rank(o evidence.Opened) int {
	if o.Passes() {
		return 1
	}
	return 0
}

// Judge looks for a rehearsal that is enough, the newest first.
func (p *Promotion) Judge(all []evidence.Opened, refused []evidence.Refused, s Subject, now time.Time) Verdict {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b evidence.Opened) int {
		return cmp.Or(b.Finished.Compare(a.Finished), cmp.Compare(rank(a), rank(b)))
	})
	for _, r := range refused {
		if r.Signed {
			return Verdict{Reasons: []Reason{{"evidence that is signed can't be read, and might say that the rehearsal failed: " + r.Error(), "use the version of Seatrial that wrote it, or rehearse again with this one and remove the line"}}}
		}
	}
	var nearest []Reason
	for i, o := range all {
		reasons := p.Weigh(o, s, now)
		if len(reasons) == 0 {
			return Verdict{Opens: &all[i]}
		}
		if o.Tree == s.Tree && clean(o.Path) == clean(s.Path) && !o.Passes() && (o.SignedBy != "" || p.Evidence.Unsigned) {
			return Verdict{Reasons: reasons} // what failed since is not proved by having passed before
		}
		if o.Tree == s.Tree && (nearest == nil || len(reasons) < len(nearest)) {
			nearest = reasons
		}
	}
	if nearest == nil {
		nearest = []Reason{{fmt.Sprintf("there is no evidence for this very tree (%.12s)", s.Tree), "rehearse it: seatrial verify --path " + s.Path + " --attest-notes" + p.signing()}}
	}
	for _, r := range refused {
		nearest = append(nearest, Reason{"evidence was not read: " + r.Error(), "rehearse again, signed by a key of the policy: seatrial verify --attest-notes" + p.signing()})
	}
	return Verdict{Reasons: nearest}
}
