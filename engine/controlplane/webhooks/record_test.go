package webhooks

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

func TestRecordsAreWrittenOnceAndBounded(t *testing.T) {
	written := &bytes.Buffer{}
	r := NewRecords(written)
	add := func(webhook, object string) {
		t.Helper()
		if err := r.Add(Record{Kind: Validating, Configuration: "c", Webhook: webhook, Object: object}); err != nil {
			t.Fatal(err)
		}
	}
	lines := func() int { return bytes.Count(written.Bytes(), []byte("\n")) }
	add("a", "ConfigMap web/a")
	add("a", "ConfigMap web/a")
	if lines() != 1 {
		t.Fatalf("got %s", written)
	}
	for i := range mostOfWebhook + 10 {
		add("a", fmt.Sprint(i))
	}
	if lines() != mostOfWebhook {
		t.Fatalf("got %d lines", lines())
	}
	for i := range mostOfAll {
		add(fmt.Sprint("b", i%100), fmt.Sprint(i))
	}
	add("last", "ConfigMap web/a") // is told even then
	add("last", "ConfigMap web/b")
	if lines() != mostOfAll+1 {
		t.Errorf("got %d lines", lines())
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

// What can't be recorded is no answer, now or when it is asked again.
func TestUnwrittenRecordIsAnError(t *testing.T) {
	r := NewRecords(full{})
	for range 2 {
		if err := r.Add(Record{Webhook: "a"}); err == nil {
			t.Error("no error")
		}
	}
}
