package finding

import (
	"fmt"
	"maps"
	"slices"
)

// Weight says how much a blind spot may hide.
type Weight string

// A high blind spot may hide a layer that fails on the real cluster: whoever promotes says that
// they accept it. A low one says how the rehearsal differs, and hides nothing by itself.
const (
	High Weight = "high"
	Low  Weight = "low"
)

// Blind is the stable kebab-case name of a kind of blind spot.
type Blind string

// The kinds of blind spots.
const (
	PodsSimulated      Blind = "pods-simulated"           // no image is pulled and nothing in a pod runs
	Unobserved         Blind = "unobserved"               // objects that no controller of the tier acts on
	WebhookOpen        Blind = "webhook-open"             // a webhook has no pod behind it, and was answered as allowed
	NoAgeKey           Blind = "no-age-key"               // encrypted files were rehearsed with placeholder values
	PlaceholderRefused Blind = "placeholder-refused"      // something did not take a placeholder, and can't be judged without the key
	PGPByAge           Blind = "pgp-by-age"               // files for a PGP key were decrypted with an age key
	VersionUnknown     Blind = "version-unknown"          // whether upstream has a version was not looked up
	Unconfined         Blind = "unconfined"               // nothing kept the repo from the machine, nor from this evidence
	LevelUnenforced    Blind = "pod-security-by-rule"     // Pod Security's default was looked up, not enforced
	StandInPods        Blind = "stand-in-pods"            // pods run another image than production's
	NotRedirected      Blind = "not-redirected"           // a source may have led to production
	SecretgenAbsent    Blind = "secretgen-absent"         // secretgen-controller did not run
	OneNode            Blind = "one-node"                 // capacity, zones and storage are not the real cluster's
	LoadBalancers      Blind = "load-balancers-simulated" // their addresses lead nowhere
	FluxVersion        Blind = "flux-version"             // another version of Flux than the repo's was rehearsed
	RootDecryption     Blind = "root-decryption"          // flux bootstrap dropped the first layer's decryption, and it was put back
	DependencyPolling  Blind = "dependency-polling"       // Flux looked at dependencies more often than it does
	YourCredentials    Blind = "your-credentials"         // a source answered the credentials of whoever rehearses, not the repo's
	UntriedLogin       Blind = "credentials-untried"      // a source was answered from a folder, without the repo's credentials or certificates being tried
	Unlisted           Blind = "sources-unlisted"         // more was fetched than a report lists
	Unredacted         Blind = "unredacted"               // values that are not, or not completely, taken out of messages
	OtherRef           Blind = "other-ref"                // a source of the repo itself follows another ref than the rehearsed tree
	ChartUnknown       Blind = "chart-unknown"            // a stand-in was made of a chart's name alone
	KindUnknown        Blind = "kind-unknown"             // which chart brings a kind was guessed
	Unverified         Blind = "signature-unverified"     // a stand-in has no signature, and none was asked of it
)

// high are the kinds of high blind spots.
var high = map[Blind]bool{
	PodsSimulated: true, Unobserved: true, WebhookOpen: true, NoAgeKey: true, PlaceholderRefused: true, VersionUnknown: true, ChartUnknown: true, OtherRef: true, KindUnknown: true, Unverified: true, Unconfined: true,
	LevelUnenforced: true, YourCredentials: true, UntriedLogin: true, Unlisted: true, StandInPods: true, NotRedirected: true, SecretgenAbsent: true,
}

// BlindSpot is something that a rehearsal could not see of a repo.
type BlindSpot struct {
	Code     Blind  `json:"code"`
	Severity Weight `json:"severity"`
	// Message says what was not seen, for a person.
	Message string `json:"message"`
}

// Unseen makes a blind spot of a kind, which decides its severity.
func Unseen(code Blind, format string, args ...any) BlindSpot {
	b := BlindSpot{Code: code, Severity: Low, Message: fmt.Sprintf(format, args...)}
	if high[code] {
		b.Severity = High
	}
	return b
}

// HighBlindSpots are the kinds of high severity, sorted.
func HighBlindSpots() []Blind { return slices.Sorted(maps.Keys(high)) }
