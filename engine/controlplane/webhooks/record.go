package webhooks

import (
	"encoding/json"
	"io"
	"sync"
)

// Record is one object that met a webhook, whose answer was made up. Dry runs are recorded
// like the requests that they are for.
type Record struct {
	// Kind and Configuration are the object that registers the webhook. Of a custom resource's
	// conversion, Configuration is the kind and the group that are converted.
	Kind          string `json:"kind"`
	Configuration string `json:"configuration,omitempty"`
	Webhook       string `json:"webhook"`
	FailurePolicy string `json:"failurePolicy,omitempty"`
	Object        string `json:"object"`
	Operation     string `json:"operation"`
}

// A repo may have everything meet a webhook, and have thousands of them. Of each webhook, what it
// met first is always recorded.
const (
	mostOfWebhook = 1000
	mostOfAll     = 20_000
)

// Records writes each record once, as a line of JSON.
type Records struct {
	mu      sync.Mutex
	to      io.Writer
	met     map[Record]map[Record]bool // by what is alike in all records of a webhook
	written int
}

// NewRecords returns records that are written as they come.
func NewRecords(to io.Writer) *Records { return &Records{to: to, met: map[Record]map[Record]bool{}} }

// Add writes the record, unless it is known or there are too many.
func (r *Records) Add(record Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	hook := Record{Kind: record.Kind, Configuration: record.Configuration, Webhook: record.Webhook}
	known := r.met[hook]
	if known[record] || len(known) >= mostOfWebhook || len(known) > 0 && r.written >= mostOfAll {
		return nil
	}
	line, err := json.Marshal(record)
	if err != nil {
		return err
	}
	if _, err := r.to.Write(append(line, '\n')); err != nil {
		return err
	}
	if known == nil {
		known = map[Record]bool{}
		r.met[hook] = known
	}
	known[record] = true
	r.written++
	return nil
}
