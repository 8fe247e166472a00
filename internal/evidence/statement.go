package evidence

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	svr "github.com/in-toto/attestation/go/predicates/svr/v01"
	result "github.com/in-toto/attestation/go/predicates/test_result/v0"
	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
)

// The types of what envelopes hold.
const (
	payloadType    = "application/vnd.in-toto+json"
	TestResultType = "https://in-toto.io/attestation/test-result/v0.1"
	SummaryType    = "https://in-toto.io/attestation/svr/v0.1"
)

// verifierID names Seatrial in summaries.
const verifierID = "https://seatrial.dev/verifier/v1"

// Configuration is what the descriptors of a test result's configuration are about: the end of
// their URI, which starts with configurationURI.
type Configuration string

// The kinds of descriptors. Their annotations are the JSON of the type in brackets.
const (
	OfRun        Configuration = "rehearsal"  // (Run)
	OfVersion    Configuration = "version"    // name and {"version"}
	OfSource     Configuration = "source"     // (report.Source)
	OfStandIn    Configuration = "stand-in"   // (report.StandIn)
	OfAssumption Configuration = "assumption" // {"text"}
	OfRekeyed    Configuration = "re-keyed"   // (report.Rekeyed)
	OfBlindSpot  Configuration = "blind-spot" // (finding.BlindSpot)
	OfAccepted   Configuration = "accepted"   // (Accepted)
)

const configurationURI = "https://seatrial.dev/configuration/v1/"

// Run is how a tree was rehearsed.
type Run struct {
	Verdict verdict.Verdict `json:"verdict"`
	Tier    string          `json:"tier"`
	// Path is the cluster's folder in the tree.
	Path string `json:"path"`
	// Finished is when the verdict was given.
	Finished time.Time `json:"finished"`
	// PodSecurity and PackagingGlobalNamespace are the rehearsed cluster's, as in a report.
	PodSecurity              string `json:"podSecurity,omitempty"`
	PackagingGlobalNamespace string `json:"packagingGlobalNamespace,omitempty"`
	// Demand is what the repo asked of the cluster; nil if that is not known.
	Demand *report.Demand `json:"demand,omitempty"`
}

// Accepted is an error that the rehearsed tree itself accepts.
type Accepted struct {
	Code finding.Code `json:"code"`
	// Layer and Object are what it is about, as in a report.
	Layer  string `json:"layer,omitempty"`
	Object string `json:"object"`
	Reason string `json:"reason"`
	// Until is the last day on which it is accepted, as 2027-01-31.
	Until string `json:"until"`
}

// Rehearsal is what an envelope with a test result says.
type Rehearsal struct {
	Run
	// Tree and Commit are Git's hashes; Commit is empty if the tree was not committed.
	Tree, Commit string
	// Passed, Warned and Failed are the names of layers.
	Passed, Warned, Failed []string
	Versions               map[string]string
	Sources                []report.Source
	StandIns               []report.StandIn
	Assumptions            []string
	Rekeyed                []report.Rekeyed
	BlindSpots             []finding.BlindSpot
	// Accepted are errors that count as none; layers that failed with them are among Failed.
	Accepted []Accepted
}

// Of returns what a report says, at the time at which it was given.
func Of(r *report.Report, finished time.Time) Rehearsal {
	e := Rehearsal{
		Run: Run{Verdict: r.Verdict, Tier: r.Tier, Path: r.Path, Finished: finished.UTC().Truncate(time.Second), Demand: r.Demand,
			PodSecurity: r.PodSecurity, PackagingGlobalNamespace: r.PackagingGlobalNamespace}, Tree: r.Tree, Commit: r.Commit,
		Versions: r.Versions, Sources: r.Sources, StandIns: r.StandIns, Assumptions: texts(r.Assumptions), Rekeyed: r.Rekeyed, BlindSpots: r.BlindSpots,
	}
	for _, f := range finding.ExcusedErrors(r.Findings) {
		e.Accepted = append(e.Accepted, Accepted{Code: f.Code, Layer: f.Layer, Object: f.Object, Reason: f.Accepted.Reason, Until: f.Accepted.Until})
	}
	for _, l := range r.Layers {
		switch name := l.Namespace + "/" + l.Name; {
		case !l.Reconciled():
			e.Failed = append(e.Failed, name)
		case len(l.Findings) > 0:
			e.Warned = append(e.Warned, name)
		default:
			e.Passed = append(e.Passed, name)
		}
	}
	return e
}

// Passes says whether the rehearsal passed. An inconclusive one did not, nor one that passed only since the tree
// itself accepts errors.
func (e Rehearsal) Passes() bool {
	return e.Verdict == verdict.Pass && len(e.Failed) == 0 && len(e.Accepted) == 0
}

// PassesAccepted says whether the rehearsal would have passed without the errors that the tree accepts: each layer
// that failed is among those.
func (e Rehearsal) PassesAccepted() bool {
	return e.Verdict == verdict.PassAccepted && len(e.Accepted) > 0 && !slices.ContainsFunc(e.Failed, func(failed string) bool {
		return !slices.ContainsFunc(e.Accepted, func(a Accepted) bool { return a.Layer == failed || a.Layer == path.Base(failed) })
	})
}

// result is in-toto's word for the verdict.
func (e Rehearsal) result() string {
	switch {
	case !e.Passes():
		return "FAILED"
	case len(e.Warned) > 0:
		return "WARNED"
	}
	return "PASSED"
}

// properties are those of a summary: none, if the rehearsal did not pass.
func (e Rehearsal) properties() []string {
	if !e.Passes() {
		return nil
	}
	out := []string{"SEATRIAL_" + strings.ToUpper(e.Tier) + "_PASSED"}
	if len(e.StandIns) == 0 {
		out = append(out, "SEATRIAL_REAL_SOURCES")
	}
	if len(e.Rekeyed) == 0 {
		out = append(out, "SEATRIAL_DECRYPTED")
	}
	if !slices.ContainsFunc(e.BlindSpots, func(b finding.BlindSpot) bool { return b.Severity == finding.High }) {
		out = append(out, "SEATRIAL_NO_HIGH_BLIND_SPOT")
	}
	return out
}

// Seal makes the two envelopes of a rehearsal, as lines of JSON; nil for key leaves them
// without a signature.
func Seal(ctx context.Context, e Rehearsal, key *Key) ([]byte, error) {
	configuration, err := e.configuration()
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, p := range []struct {
		kind      string
		predicate proto.Message
	}{
		{TestResultType, &result.TestResult{Result: e.result(), Configuration: configuration, PassedTests: e.Passed, WarnedTests: e.Warned, FailedTests: e.Failed}},
		{SummaryType, &svr.SimpleVerificationResult{
			Verifier: &svr.SimpleVerificationResult_Verifier{Id: verifierID}, TimeCreated: timestamppb.New(e.Finished), Properties: e.properties(),
		}},
	} {
		payload, err := e.statement(p.kind, p.predicate)
		if err != nil {
			return nil, err
		}
		envelope, err := key.sign(ctx, payload)
		if err != nil {
			return nil, fmt.Errorf("sign the evidence: %w", err)
		}
		line, err := json.Marshal(envelope)
		if err != nil {
			return nil, err
		}
		out = append(append(out, line...), '\n')
	}
	return out, nil
}

func (e Rehearsal) statement(kind string, predicate proto.Message) ([]byte, error) {
	b, err := protojson.Marshal(predicate)
	if err != nil {
		return nil, err
	}
	content := &structpb.Struct{}
	if err := protojson.Unmarshal(b, content); err != nil {
		return nil, err
	}
	subjects := []*intoto.ResourceDescriptor{{Name: "tree", Digest: map[string]string{"gitTree": e.Tree}}}
	if e.Commit != "" {
		subjects = append(subjects, &intoto.ResourceDescriptor{Name: "commit", Digest: map[string]string{"gitCommit": e.Commit}})
	}
	s := &intoto.Statement{Type: intoto.StatementTypeUri, Subject: subjects, PredicateType: kind, Predicate: content}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("the rehearsal makes no evidence: %w", err)
	}
	return protojson.Marshal(s)
}

// configuration are the descriptors of everything that the verdict rests on.
func (e Rehearsal) configuration() ([]*intoto.ResourceDescriptor, error) {
	var out []*intoto.ResourceDescriptor
	var failed error
	add := func(kind Configuration, name string, digest map[string]string, annotations any) {
		d := &intoto.ResourceDescriptor{Name: name, Uri: configurationURI + string(kind), Digest: digest, Annotations: &structpb.Struct{}}
		b, err := json.Marshal(annotations)
		if err == nil {
			err = protojson.Unmarshal(b, d.Annotations)
		}
		failed = errors.Join(failed, err)
		out = append(out, d)
	}
	add(OfRun, e.Tier, nil, e.Run)
	for _, name := range sortedKeys(e.Versions) {
		add(OfVersion, name, nil, map[string]string{"version": e.Versions[name]})
	}
	for _, s := range e.Sources {
		_, revision, _ := strings.Cut(s.Revision, "@")
		add(OfSource, s.Object, sha256Of(revision), s)
	}
	for _, s := range e.StandIns {
		add(OfStandIn, s.Upstream, sha256Of(s.Digest), s)
	}
	for _, text := range e.Assumptions {
		add(OfAssumption, "", nil, map[string]string{"text": text})
	}
	for _, f := range e.Rekeyed {
		add(OfRekeyed, f.File, sha256Of(f.Rehearsed), f)
	}
	for _, b := range e.BlindSpots {
		add(OfBlindSpot, string(b.Code), nil, b)
	}
	for _, a := range e.Accepted {
		add(OfAccepted, string(a.Code), nil, a)
	}
	return out, failed
}

// sha256Of is the digest set of a digest sha256:…; nil if there is none.
func sha256Of(digest string) map[string]string {
	hex, ok := strings.CutPrefix(digest, "sha256:")
	if !ok {
		return nil
	}
	return map[string]string{"sha256": hex}
}

// unsigned is an envelope without a signature.
func unsigned(payload []byte) *dsse.Envelope {
	return &dsse.Envelope{PayloadType: payloadType, Payload: base64.StdEncoding.EncodeToString(payload), Signatures: []dsse.Signature{}}
}

func texts(all []report.Assumption) []string {
	var out []string
	for _, a := range all {
		out = append(out, a.String())
	}
	return out
}
