package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"seatrial.dev/seatrial/internal/finding"
)

// webhooksFile is where the control plane says, in its folder, which objects met webhooks. It
// answers them itself: their pods are simulated, and on a real cluster they would answer.
const webhooksFile = "webhooks.jsonl"

// hook is a webhook, by the object that registers it.
type hook struct {
	Kind          string `json:"kind"`
	Configuration string `json:"configuration"`
	Webhook       string `json:"webhook"`
}

// meeting is a line of webhooksFile, as engine/controlplane/webhooks writes it.
type meeting struct {
	hook
	FailurePolicy string `json:"failurePolicy"`
	Object        string `json:"object"`
}

// The control plane writes so many meetings of a webhook at most, and as many names are told.
const (
	mostMeetings = 1000
	mostNames    = 5
)

func (c *Cluster) webhooksFile() string { return c.path("controlplane", "cluster", webhooksFile) }

// openWebhooks are the webhooks that no pod was behind.
func (c *Cluster) openWebhooks() []finding.BlindSpot {
	met, err := c.meetings()
	if err != nil {
		return []finding.BlindSpot{finding.Unseen(finding.WebhookOpen, "webhooks were answered as allowed, as no pod is behind them; what met them is not known: %v", err)}
	}
	ctx, cancel := context.WithTimeout(c.alive, 10*time.Second)
	defer cancel()
	registered, err := c.registeredWebhooks(ctx)
	if err != nil {
		return append(webhookSpots(met, nil), finding.Unseen(finding.WebhookOpen, "which webhooks were answered for no object is not known: %v", err))
	}
	return webhookSpots(met, registered)
}

// meetings reads webhooksFile.
func (c *Cluster) meetings() ([]meeting, error) {
	b, err := os.ReadFile(c.webhooksFile())
	if err != nil {
		return nil, err
	}
	var out []meeting
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte("\n")) { // it is being written
			break
		}
		var m meeting
		if err := json.Unmarshal(line, &m); err != nil {
			return nil, fmt.Errorf("read %s: %w", webhooksFile, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// registeredWebhooks are the admission webhooks of the cluster's Services. One whose Service does
// not exist fails here as on a real cluster, and hides nothing.
func (c *Cluster) registeredWebhooks(ctx context.Context) ([]hook, error) {
	services, err := c.client.Typed.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	exists := map[string]bool{}
	for _, s := range services.Items {
		exists[s.Namespace+"/"+s.Name] = true
	}
	var out []hook
	add := func(kind, configuration, webhook string, at admissionregistrationv1.WebhookClientConfig) {
		if at.Service != nil && exists[at.Service.Namespace+"/"+at.Service.Name] {
			out = append(out, hook{kind, configuration, webhook})
		}
	}
	client := c.client.Typed.AdmissionregistrationV1()
	validating, err := client.ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, configuration := range validating.Items {
		for _, w := range configuration.Webhooks {
			add("ValidatingWebhookConfiguration", configuration.Name, w.Name, w.ClientConfig)
		}
	}
	mutating, err := client.MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, configuration := range mutating.Items {
		for _, w := range configuration.Webhooks {
			add("MutatingWebhookConfiguration", configuration.Name, w.Name, w.ClientConfig)
		}
	}
	return out, nil
}

// webhookSpots says what met each webhook, in an order that does not depend on when it did, and
// in one line which webhooks nothing met: a later change may.
func webhookSpots(met []meeting, registered []hook) []finding.BlindSpot {
	of := map[hook][]meeting{}
	for _, m := range met {
		of[m.hook] = append(of[m.hook], m)
	}
	var out []finding.BlindSpot
	for _, h := range slices.SortedFunc(maps.Keys(of), byName) {
		out = append(out, finding.Unseen(finding.WebhookOpen, "%s", describe(h, of[h])))
	}
	idle := map[string]bool{}
	for _, h := range registered {
		if of[h] == nil {
			idle[h.Kind+"/"+h.Configuration+" "+h.Webhook] = true
		}
	}
	if len(idle) > 0 {
		out = append(out, finding.Unseen(finding.WebhookOpen, "these webhooks, which no pod is behind, were answered for no object: %s", names(slices.Sorted(maps.Keys(idle)), false)))
	}
	return out
}

func byName(a, b hook) int {
	return slices.Compare([]string{a.Kind, a.Configuration, a.Webhook}, []string{b.Kind, b.Configuration, b.Webhook})
}

// describe says what a webhook met, and what it was answered.
func describe(h hook, met []meeting) string {
	objects := map[string]bool{}
	for _, m := range met {
		objects[m.Object] = true
	}
	list := names(slices.Sorted(maps.Keys(objects)), len(met) >= mostMeetings)
	who := fmt.Sprintf("%s: webhook %s", h.Kind, h.Webhook) // it was taken away while it was asked
	if h.Configuration != "" {
		who = fmt.Sprintf("%s/%s: webhook %s", h.Kind, h.Configuration, h.Webhook)
	}
	policy := ""
	if last := met[len(met)-1].FailurePolicy; last != "" {
		policy = " (failurePolicy " + last + ")"
	}
	switch h.Kind {
	case "CustomResourceDefinition":
		return fmt.Sprintf("CustomResourceDefinition of %s: its conversion webhook was answered with another apiVersion and no other change, as no pod is behind it: it would have met %s", h.Configuration, list)
	case "MutatingWebhookConfiguration":
		return fmt.Sprintf("%s was answered as allowed and unchanged, as no pod is behind it%s: it would have met %s", who, policy, list)
	}
	return fmt.Sprintf("%s was answered as allowed, as no pod is behind it%s: it would have met %s", who, policy, list)
}

// names are the first of a list, and how many others there are, at least.
func names(list []string, atLeast bool) string {
	if len(list) <= mostNames && !atLeast {
		return strings.Join(list, ", ")
	}
	some := list[:min(mostNames, len(list))]
	if atLeast {
		return fmt.Sprintf("%s and at least %d more", strings.Join(some, ", "), len(list)-len(some))
	}
	return fmt.Sprintf("%s and %d more", strings.Join(some, ", "), len(list)-len(some))
}

// diagnoseWebhooks passes on everything that met a webhook, as the blind spots name a few.
func (c *Cluster) diagnoseWebhooks(put func(string, []byte) error) error {
	b, err := os.ReadFile(c.webhooksFile())
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return put(webhooksFile, b)
}
