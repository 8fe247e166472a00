package verdict

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/verdict/cause"
)

// Explain turns the final state of the layers into findings.
func (j *Judge) Explain(c live.View, a Assessment) []finding.Finding {
	var out []finding.Finding
	for _, l := range a.Layers {
		switch l.Status {
		case Reconciled, Blocked:
		case Unreachable:
			out = append(out, unreachable(l)...)
		default:
			out = append(out, failed(c, l)...)
		}
	}
	return finding.Merge(out, nil)
}

// unreachable reports suspended layers. It leaves cycles and dangling names to the static
// checks, which know their lines.
func unreachable(l *Layer) []finding.Finding {
	if l.Doom != Asleep {
		return nil
	}
	return []finding.Finding{{
		Code: finding.NotReconciled, Severity: finding.Warning, Layer: l.Title(), Object: l.ref().Identity(), File: l.File, Line: l.Line,
		Message: "the layer is suspended: it was not rehearsed", Fix: "set spec.suspend to false, or leave the layer out",
	}}
}

// failed explains a layer by those of its objects that are not current and, if its
// Kustomization itself failed or nothing else is known, by the Kustomization's own message.
func failed(c live.View, l *Layer) []finding.Finding {
	var out []finding.Finding
	for _, b := range l.bad {
		found := cause.Explain(cause.Failure{Layer: l.Layer, Ref: b.ref, Live: b.live, Message: b.message, View: c})
		for i := range found {
			if l.ready() {
				found[i].Message += " (while its Kustomization says Ready)"
			}
		}
		out = append(out, found...)
	}
	if l.failing || len(out) == 0 {
		out = append(out, cause.Explain(cause.Failure{
			Layer: l.Layer, Ref: l.ref(), Live: l.live, Message: l.Message, Open: !l.failing, Explained: len(out) > 0, View: c,
		})...)
	}
	return out
}

// ref names the layer's Kustomization.
func (l *Layer) ref() live.Ref {
	return live.Ref{GroupKind: gitops.KustomizationKind, Namespace: l.Namespace, Name: l.Name}
}

// ready says whether Flux calls the layer Ready.
func (l *Layer) ready() bool {
	if l.live == nil {
		return false
	}
	state, _ := live.Observe(l.live)
	return state == live.Current
}
