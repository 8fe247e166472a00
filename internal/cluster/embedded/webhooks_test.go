package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/sandbox"
)

const someMeetings = `{"kind":"ValidatingWebhookConfiguration","configuration":"policy","webhook":"a.example.com","failurePolicy":"Fail","object":"ConfigMap web/b","operation":"CREATE"}
{"kind":"ValidatingWebhookConfiguration","configuration":"policy","webhook":"a.example.com","failurePolicy":"Fail","object":"ConfigMap web/a","operation":"CREATE"}
{"kind":"ValidatingWebhookConfiguration","configuration":"policy","webhook":"a.example.com","failurePolicy":"Fail","object":"ConfigMap web/a","operation":"UPDATE"}
{"kind":"MutatingWebhookConfiguration","configuration":"mesh","webhook":"b.example.com","failurePolicy":"Ignore","object":"Pod web/web-*","operation":"CREATE"}
{"kind":"CustomResourceDefinition","configuration":"Widget.example.com","webhook":"conversion","object":"Widget web/a","operation":"CONVERT"}
{"kind":"ValidatingWebhookConfiguration","webhook":"https://x.web.svc:443/y","object":"Pod web/p","operation":"DELETE"}
{"kind":"ValidatingWebhookConfig`

// withMeetings is a cluster whose control plane has written the text.
func withMeetings(t *testing.T, text string) *Cluster {
	t.Helper()
	c := New(Options{Sandbox: &sandbox.Sandbox{Dir: t.TempDir()}})
	if err := os.MkdirAll(filepath.Dir(c.webhooksFile()), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.webhooksFile(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWebhookSpots(t *testing.T) {
	met, err := withMeetings(t, someMeetings).meetings()
	if err != nil {
		t.Fatal(err)
	}
	validating := func(name string) hook { return hook{"ValidatingWebhookConfiguration", "policy", name} }
	var got []string
	for _, s := range webhookSpots(met, []hook{validating("idle.example.com"), validating("a.example.com")}) {
		if s.Code != finding.WebhookOpen || s.Severity != finding.High {
			t.Errorf("got %+v", s)
		}
		got = append(got, s.Message)
	}
	if want := strings.Join([]string{
		"CustomResourceDefinition of Widget.example.com: its conversion webhook was answered with another apiVersion and no other change, as no pod is behind it: it would have met Widget web/a",
		"MutatingWebhookConfiguration/mesh: webhook b.example.com was answered as allowed and unchanged, as no pod is behind it (failurePolicy Ignore): it would have met Pod web/web-*",
		"ValidatingWebhookConfiguration: webhook https://x.web.svc:443/y was answered as allowed, as no pod is behind it: it would have met Pod web/p",
		"ValidatingWebhookConfiguration/policy: webhook a.example.com was answered as allowed, as no pod is behind it (failurePolicy Fail): it would have met ConfigMap web/a, ConfigMap web/b",
		"these webhooks, which no pod is behind, were answered for no object: ValidatingWebhookConfiguration/policy idle.example.com",
	}, "\n"); strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// A few names are told, and how many are not; a webhook that met as many as are written may have
// met more.
func TestManyMeetings(t *testing.T) {
	h := hook{"ValidatingWebhookConfiguration", "policy", "a"}
	for n, want := range map[int]string{5: "ConfigMap 3, ConfigMap 4", 7: "ConfigMap 4 and 2 more", mostMeetings: "and at least 995 more"} {
		var met []meeting
		for i := range n {
			met = append(met, meeting{hook: h, Object: fmt.Sprint("ConfigMap ", i)})
		}
		if got := webhookSpots(met, nil)[0].Message; !strings.HasSuffix(got, want) {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

// Not to know what met webhooks is a blind spot too.
func TestUnreadableMeetingsAreTold(t *testing.T) {
	for name, c := range map[string]*Cluster{"no file": New(Options{Sandbox: &sandbox.Sandbox{Dir: t.TempDir()}}), "no JSON": withMeetings(t, "x\n")} {
		if spots := c.openWebhooks(); len(spots) != 1 || !strings.Contains(spots[0].Message, "what met them is not known") {
			t.Errorf("%s: got %+v", name, spots)
		}
	}
}

// The logs have what the blind spots leave out.
func TestMeetingsAreDiagnosed(t *testing.T) {
	files := map[string]string{}
	put := func(name string, text []byte) error { files[name] = string(text); return nil }
	for _, c := range []*Cluster{New(Options{Sandbox: &sandbox.Sandbox{Dir: t.TempDir()}}), withMeetings(t, "")} {
		if err := c.diagnoseWebhooks(put); err != nil || len(files) > 0 {
			t.Errorf("got %v, %v", files, err)
		}
	}
	if err := withMeetings(t, someMeetings).diagnoseWebhooks(put); err != nil || files[webhooksFile] != someMeetings {
		t.Errorf("got %v, %v", files, err)
	}
}
