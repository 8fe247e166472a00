package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	result "github.com/in-toto/attestation/go/predicates/test_result/v0"
	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
)

// maxLine is the largest envelope that is read, in bytes.
const maxLine = 16 << 20

// Opened is a test result that was read out of an envelope.
type Opened struct {
	Rehearsal
	// SignedBy is the ID of the key that the signature was verified with; empty if none was.
	SignedBy string
	// Line is the envelope.
	Line []byte `json:"-"`
}

// Refused is an envelope that was not read.
type Refused struct {
	// Line counts from 1.
	Line int
	Why  error
	// Signed is true if it is signed by one of the keys: what it says can't be read, and might be a failure.
	Signed bool
}

// Error is the line and why.
func (r Refused) Error() string { return fmt.Sprintf("line %d: %v", r.Line, r.Why) }

// ErrUnsigned says that an envelope has no signature.
var ErrUnsigned = errors.New("it has no signature")

// ErrOtherKey says that no signature of an envelope is by one of the keys, or for its content.
var ErrOtherKey = errors.New("no signature of it is by a key of the policy, or its content was changed")

// Open reads the test results of envelopes, one a line, after it has verified their signatures
// with one of keys. Other statements and empty lines are passed over. With lenient set, also what is unsigned or signed
// by others is read, with SignedBy empty: only to show it.
func Open(ctx context.Context, lines []byte, keys []PublicKey, lenient bool) (opened []Opened, refused []Refused) {
	for i, line := range bytes.Split(lines, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		o, signed, err := open(ctx, line, keys, lenient)
		switch {
		case err != nil:
			refused = append(refused, Refused{i + 1, err, signed})
		case o != nil:
			opened = append(opened, *o)
		}
	}
	return opened, refused
}

// open reads an envelope; nil without an error is one that holds something else.
func open(ctx context.Context, line []byte, keys []PublicKey, lenient bool) (o *Opened, signed bool, err error) {
	if len(line) > maxLine {
		return nil, false, fmt.Errorf("it is larger than %d bytes", maxLine)
	}
	var envelope dsse.Envelope
	if err := json.Unmarshal(line, &envelope); err != nil {
		return nil, false, errors.New("it is no whole DSSE envelope")
	}
	if envelope.PayloadType != payloadType {
		return nil, false, fmt.Errorf("it holds %q, not %s", envelope.PayloadType, payloadType)
	}
	payload, by, err := verified(ctx, &envelope, keys)
	if err != nil {
		if !lenient {
			return nil, false, err
		}
		if payload, err = envelope.DecodeB64Payload(); err != nil {
			return nil, false, errors.New("its payload is cut off")
		}
	}
	e, err := decode(payload)
	if err != nil || e == nil {
		return nil, by != "" || lenient, err
	}
	return &Opened{*e, by, line}, true, nil
}

// verified returns an envelope's payload and the ID of the key that signed it.
func verified(ctx context.Context, envelope *dsse.Envelope, keys []PublicKey) ([]byte, string, error) {
	if len(envelope.Signatures) == 0 {
		return nil, "", ErrUnsigned
	}
	for _, key := range keys {
		v, err := dsse.NewEnvelopeVerifier(key.verifier)
		if err != nil {
			return nil, "", err
		}
		if _, payload, err := v.VerifyAndDecode(ctx, envelope); err == nil {
			return payload, key.ID(), nil
		}
	}
	return nil, "", ErrOtherKey
}

// decode reads a statement; nil if it is no test result.
func decode(payload []byte) (*Rehearsal, error) {
	var s intoto.Statement
	if err := protojson.Unmarshal(payload, &s); err != nil {
		return nil, errors.New("it holds no in-toto statement")
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("its statement is not whole: %w", err)
	}
	if s.GetPredicateType() != TestResultType {
		return nil, nil
	}
	var e Rehearsal
	for _, subject := range s.GetSubject() {
		for name, digest := range subject.GetDigest() {
			into := map[string]*string{"gitTree": &e.Tree, "gitCommit": &e.Commit}[name]
			if into == nil {
				continue
			}
			if *into != "" && *into != digest {
				return nil, fmt.Errorf("its statement names two of %s", name)
			}
			*into = digest
		}
	}
	if e.Tree == "" {
		return nil, errors.New("its statement names no gitTree")
	}
	b, err := protojson.Marshal(s.GetPredicate())
	if err != nil {
		return nil, err
	}
	var test result.TestResult
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, &test); err != nil {
		return nil, errors.New("its predicate is no test result")
	}
	e.Passed, e.Warned, e.Failed = test.GetPassedTests(), test.GetWarnedTests(), test.GetFailedTests()
	for _, d := range test.GetConfiguration() {
		if err := e.configure(d); err != nil {
			return nil, fmt.Errorf("its configuration %s can't be read: %w", d.GetUri(), err)
		}
	}
	if e.Verdict == "" || e.Finished.IsZero() {
		return nil, errors.New("it does not say how and when the tree was rehearsed")
	}
	if got := test.GetResult(); got != e.result() {
		return nil, fmt.Errorf("its result %s contradicts what it lists: %s", got, e.result())
	}
	return &e, nil
}

// configure adds what a descriptor says. One of a kind that is not known is refused: it might be a
// reservation.
func (e *Rehearsal) configure(d *intoto.ResourceDescriptor) error {
	kind, ours := strings.CutPrefix(d.GetUri(), configurationURI)
	if !ours {
		return errors.New("it is of a kind that this version does not know")
	}
	switch Configuration(kind) {
	case OfRun:
		return annotated(d, &e.Run)
	case OfVersion:
		var v struct{ Version string }
		if e.Versions == nil {
			e.Versions = map[string]string{}
		}
		err := annotated(d, &v)
		e.Versions[d.GetName()] = v.Version
		return err
	case OfSource:
		return appendTo(d, &e.Sources)
	case OfStandIn:
		return appendTo(d, &e.StandIns)
	case OfAssumption:
		var a struct{ Text string }
		err := annotated(d, &a)
		e.Assumptions = append(e.Assumptions, a.Text)
		return err
	case OfRekeyed:
		return appendTo(d, &e.Rekeyed)
	case OfBlindSpot:
		return appendTo(d, &e.BlindSpots)
	case OfAccepted:
		return appendTo(d, &e.Accepted)
	}
	return errors.New("it is of a kind that this version does not know")
}

func appendTo[T report.Source | report.StandIn | report.Rekeyed | finding.BlindSpot | Accepted](d *intoto.ResourceDescriptor, list *[]T) error {
	var v T
	err := annotated(d, &v)
	*list = append(*list, v)
	return err
}

// annotated reads a descriptor's annotations.
func annotated(d *intoto.ResourceDescriptor, into any) error {
	annotations := d.GetAnnotations()
	if annotations == nil {
		annotations = &structpb.Struct{}
	}
	b, err := protojson.Marshal(annotations)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Payloads are the statements of all envelopes, as they stand there: nothing is verified. They are
// only for showing.
func Payloads(lines []byte) (all []json.RawMessage, refused []Refused) {
	for i, line := range bytes.Split(lines, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var envelope dsse.Envelope
		payload, err := []byte(nil), json.Unmarshal(line, &envelope)
		if err == nil {
			payload, err = envelope.DecodeB64Payload()
		}
		if err != nil || !json.Valid(payload) {
			refused = append(refused, Refused{Line: i + 1, Why: errors.New("it is no whole DSSE envelope")})
			continue
		}
		all = append(all, payload)
	}
	return all, refused
}
