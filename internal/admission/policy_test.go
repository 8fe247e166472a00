package admission

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"seatrial.dev/seatrial/internal/kube"
)

// connect returns a client of an imitated API server that accepts policies, and the
// requests that the server got.
func connect(t *testing.T) (*kube.Client, func() []map[string]any) {
	t.Helper()
	var mu sync.Mutex
	var sent []map[string]any
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		const group = "admissionregistration.k8s.io"
		switch {
		case r.Method != http.MethodGet:
			b, _ := io.ReadAll(r.Body)
			var o map[string]any
			if err := json.Unmarshal(b, &o); err != nil {
				t.Errorf("%v: %s", err, b)
			}
			sent = append(sent, o)
			_, _ = w.Write(b)
		case r.URL.Path == "/api":
			_, _ = io.WriteString(w, `{"kind":"APIVersions","versions":[]}`)
		case r.URL.Path == "/apis":
			_, _ = io.WriteString(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"`+group+`","versions":[{"groupVersion":"`+group+`/v1","version":"v1"}],"preferredVersion":{"groupVersion":"`+group+`/v1","version":"v1"}}]}`)
		default:
			_, _ = io.WriteString(w, `{"kind":"APIResourceList","groupVersion":"`+group+`/v1","resources":[{"name":"mutatingadmissionpolicies","kind":"MutatingAdmissionPolicy","verbs":["patch"]},{"name":"mutatingadmissionpolicybindings","kind":"MutatingAdmissionPolicyBinding","verbs":["patch"]}]}`)
		}
	}))
	t.Cleanup(h.Close)
	client, err := kube.New(&rest.Config{Host: h.URL})
	if err != nil {
		t.Fatal(err)
	}
	return client, func() []map[string]any {
		mu.Lock()
		defer mu.Unlock()
		return sent
	}
}

// Enforce returns once every policy has been tried and found in force.
func TestEnforce(t *testing.T) {
	client, sent := connect(t)
	tries := 0
	p := Policy{Group: "x.io", Resource: "widgets", When: "true", Patch: "[]", InForce: func(context.Context, *kube.Client) (bool, error) {
		tries++
		return tries > 2, nil
	}}
	if err := Enforce(t.Context(), client, "name", map[string]string{"run": "r"}, p, p); err != nil {
		t.Fatal(err)
	}
	if tries != 4 { // two failures, and a success for each policy
		t.Errorf("%d tries", tries)
	}
	b, _ := json.Marshal(sent())
	for _, want := range []string{`"name":"name-0"`, `"name":"name-1"`, `"policyName":"name-1"`, `"labels":{"run":"r"}`, `"operations":["CREATE","UPDATE"]`, `"failurePolicy":"Fail"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}

func TestEnforceGivesUp(t *testing.T) {
	client, _ := connect(t)
	patience = 100 * time.Millisecond
	t.Cleanup(func() { patience = defaultPatience })
	for want, says := range map[string]error{"not compiled": errors.New("not compiled"), "it changes nothing": nil} {
		never := Policy{Group: "x.io", Resource: "widgets", InForce: func(context.Context, *kube.Client) (bool, error) { return false, says }}
		err := Enforce(t.Context(), client, "name", nil, never)
		if err == nil || !strings.HasSuffix(err.Error(), "widgets is not in force after 100ms: "+want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
