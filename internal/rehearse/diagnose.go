package rehearse

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"seatrial.dev/seatrial/internal/cluster"
)

// maxLog is how much of a log's end is kept, in bytes.
const maxLog = 32 << 20

// diagnose collects logs and the like from the cluster, if the user asked for them.
func (r *rehearsal) diagnose(ctx context.Context) {
	if r.Log == nil || !r.booted || ctx.Err() != nil { // a user who interrupts does not want to wait
		return
	}
	var failing []cluster.Object
	for _, ref := range r.failing {
		failing = append(failing, cluster.Object{Group: ref.Group, Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name})
	}
	done := r.console.Step("collect logs")
	err := r.cluster.Diagnose(context.WithoutCancel(ctx), func(name string, text []byte) error {
		return r.Log(concealed(r.subject.Known.Text, name, text))
	}, failing)
	if done(err); err != nil {
		r.console.Note("the logs are not complete: " + err.Error()) // the verdict stands without them
	}
}

// concealed returns a log and its name without secret values. Of a log longer than
// maxLog only the end is kept, from the start of a line: part of a secret value would
// not be recognised.
func concealed(conceal func(string) string, name string, text []byte) (string, []byte) {
	if conceal(name) != name && strings.HasPrefix(name, "describe-") {
		sum := sha256.Sum256([]byte(name)) // the object's name contains a secret value
		name = "describe-" + hex.EncodeToString(sum[:4]) + ".txt"
	}
	if len(text) > maxLog {
		_, text, _ = bytes.Cut(text[len(text)-maxLog:], []byte("\n"))
	}
	return name, []byte(conceal(string(text)))
}
