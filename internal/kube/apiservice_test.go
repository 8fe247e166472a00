package kube

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

const apiService = `{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","metadata":{"name":"v1.x.io"},"status":{"conditions":[%s]}}`

func TestAvailable(t *testing.T) {
	for conditions, want := range map[string]string{
		`{"type":"Available","status":"True","message":"all is well"}`:                          "true all is well",
		`{"type":"Other","status":"True"},{"type":"Available","status":"False","message":"no"}`: "false no",
		`{"type":"Available","status":"Unknown","message":"no answer"}`:                         "false no answer",
		`{"type":"Other","status":"True"}`:                                                      "false the API server has not looked at it",
		``:                                                                                      "false the API server has not looked at it",
	} {
		objects, err := Decode(fmt.Appendf(nil, apiService, conditions))
		if err != nil {
			t.Fatal(err)
		}
		yes, why := available(objects[0])
		if got := fmt.Sprint(yes, " ", why); got != want {
			t.Errorf("%s: got %s, want %s", conditions, got, want)
		}
	}
}

// AwaitAvailable survives watches that end, and ignores the state of an APIService that was deleted.
func TestAwaitAvailable(t *testing.T) {
	const yes, no = `{"type":"Available","status":"True"}`, `{"type":"Available","status":"False","message":"no endpoints"}`
	watches := [][2]string{{"ADDED", no}, {"DELETED", yes}, {"MODIFIED", yes}}
	asked := 0
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis/apiregistration.k8s.io/v1/apiservices" || r.URL.Query().Get("fieldSelector") != "metadata.name=v1.x.io" || asked == len(watches) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		e := watches[asked]
		asked++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"type":%q,"object":%s}`, e[0], fmt.Sprintf(apiService, e[1]))
	}))
	defer h.Close()
	c, err := New(&rest.Config{Host: h.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitAvailable(t.Context(), "v1.x.io"); err != nil || asked != len(watches) {
		t.Errorf("got %v after %d watches", err, asked)
	}
	watches, asked = watches[:1], 0
	if err := c.AwaitAvailable(t.Context(), "v1.x.io"); err == nil || !strings.HasPrefix(err.Error(), "v1.x.io is not available: no endpoints: ") {
		t.Errorf("a watch is refused: got %v", err)
	}
}
