package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// server imitates an API server, as far as discovery and writes are concerned.
type server struct {
	mu sync.Mutex
	// late is in how many answers discovery leaves out the kind Late.
	late int
	// refuse are the status codes of the next answers, by method and path.
	refuse map[string][]int
	asked  []string // method, path and query of each write
	bodies []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	say := func(code int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprint(w, text)
	}
	if r.Method != http.MethodGet {
		b, _ := io.ReadAll(r.Body)
		s.asked, s.bodies = append(s.asked, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery), append(s.bodies, string(b))
		key := r.Method + " " + r.URL.Path
		if codes := s.refuse[key]; len(codes) > 0 {
			s.refuse[key] = codes[1:]
			reason := map[int]string{403: "Forbidden", 404: "NotFound", 409: "AlreadyExists"}[codes[0]]
			say(codes[0], fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":"refused","code":%d}`, reason, codes[0]))
			return
		}
		say(200, string(b))
		return
	}
	switch r.URL.Path {
	case "/api":
		say(200, `{"kind":"APIVersions","versions":["v1"]}`)
	case "/apis":
		say(200, `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"x.io","versions":[{"groupVersion":"x.io/v1","version":"v1"}],"preferredVersion":{"groupVersion":"x.io/v1","version":"v1"}}]}`)
	case "/api/v1":
		say(200, `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"namespaces","namespaced":false,"kind":"Namespace","verbs":["get"]},{"name":"configmaps","namespaced":true,"kind":"ConfigMap","verbs":["get"]}]}`)
	case "/apis/x.io/v1":
		if s.late--; s.late >= 0 {
			say(200, `{"kind":"APIResourceList","groupVersion":"x.io/v1","resources":[]}`)
			return
		}
		say(200, `{"kind":"APIResourceList","groupVersion":"x.io/v1","resources":[{"name":"lates","namespaced":true,"kind":"Late","verbs":["get"]}]}`)
	default:
		say(404, `{}`)
	}
}

func connect(t *testing.T, s *server) *Client {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	c, err := New(&rest.Config{Host: h.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDecode(t *testing.T) {
	for manifest, want := range map[string]string{
		"": "", "---\n# nothing\n---\n": "", "kind: A\nmetadata: {name: a}\n---\nkind: B\nmetadata: {name: b}\n": "A/a B/b",
		`{"kind": "A", "metadata": {"name": "a"}}`: "A/a",
		"kind: List\nitems:\n- {kind: A, metadata: {name: a}}\n- {kind: B, metadata: {name: b}}\n---\nkind: C\nmetadata: {name: c}\n": "A/a B/b C/c",
		"kind: List\nitems: []": "", "a: [": "error", "kind: A\nmetadata: {name: a}\n---\n- a list": "error",
	} {
		objects, err := Decode([]byte(manifest))
		var got []string
		for _, o := range objects {
			got = append(got, o.GetKind()+"/"+o.GetName())
		}
		if (err != nil) != (want == "error") || err == nil && strings.Join(got, " ") != want || err != nil && got != nil {
			t.Errorf("%q: got %v, %v, want %s", manifest, got, err, want)
		}
	}
}

// Object sets all given fields, and does not change content.
func TestObject(t *testing.T) {
	content := map[string]any{"data": map[string]any{"a": "b"}, "kind": "overruled"}
	b, err := json.Marshal(Object("v1", "ConfigMap", "x", "y", content))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"name":"y","namespace":"x"}}`; string(b) != want || len(content) != 2 {
		t.Errorf("got %s, want %s", b, want)
	}
	if got := Object("v1", "Namespace", "", "y", nil); got.GetName() != "y" || got.GetNamespace() != "" {
		t.Errorf("got %v", got)
	}
}

// Objects are applied in order, and again while a kind or a namespace does not exist.
func TestApply(t *testing.T) {
	const first, second = "PATCH /api/v1/namespaces/default/configmaps/a", "PATCH /apis/x.io/v1/namespaces/x/lates/b"
	s := &server{late: 3, refuse: map[string][]int{first: {404}}}
	objects := []*unstructured.Unstructured{Object("v1", "ConfigMap", "", "a", nil), Object("x.io/v1", "Late", "x", "b", nil), Object("v1", "Namespace", "", "n", nil)}
	if err := connect(t, s).Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
	const how = "?fieldManager=seatrial&force=true"
	if want := []string{first + how, first + how, second + how, "PATCH /api/v1/namespaces/n" + how}; !slices.Equal(s.asked, want) {
		t.Errorf("got %q, want %q", s.asked, want)
	}
	// A refused object is not tried again, and no later one is applied.
	s = &server{refuse: map[string][]int{first: {403}}}
	err := connect(t, s).Apply(t.Context(), objects...)
	if err == nil || !strings.HasPrefix(err.Error(), "apply ConfigMap a: ") || len(s.asked) != 1 {
		t.Errorf("refused: got %v after %q", err, s.asked)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = connect(t, &server{late: 1 << 20}).Apply(ctx, objects[1])
	if err == nil || !strings.HasPrefix(err.Error(), "apply Late x/b: ") || ctx.Err() == nil {
		t.Errorf("never served: got %v", err)
	}
}

func TestMakeNamespace(t *testing.T) {
	const create = "POST /api/v1/namespaces"
	labels, more := map[string]string{"a": "1", "b": "1"}, map[string]string{"b": "2", "c": "2"}
	before := maps.Clone(labels)
	s := &server{refuse: map[string][]int{create: {409, 403}}}
	c := connect(t, s)
	if err := c.MakeNamespace(t.Context(), "n", labels, more); err != nil {
		t.Errorf("it exists: got %v", err)
	}
	if err := c.MakeNamespace(t.Context(), "n", labels, more); err == nil {
		t.Error("refused: no error")
	}
	if err := c.MakeNamespace(t.Context(), "n", nil, more); err != nil {
		t.Error(err)
	}
	if !maps.Equal(labels, before) {
		t.Errorf("the caller's labels became %v", labels)
	}
	for i, want := range []string{`"labels":{"a":"1","b":"2","c":"2"}`, "", `"labels":{"b":"2","c":"2"}`} {
		if !strings.Contains(s.bodies[i], want) || s.asked[i] != create+"?fieldManager=seatrial" {
			t.Errorf("got %s, %s", s.asked[i], s.bodies[i])
		}
	}
}

// AwaitServed waits for the versions that a CRD declares as served, and for no other.
func TestAwaitServed(t *testing.T) {
	crd := func(versions ...any) *unstructured.Unstructured {
		return Object("x.io/v1", "Late", "x", "crd", map[string]any{"spec": map[string]any{"group": "x.io", "names": map[string]any{"kind": "Late"}, "versions": versions}})
	}
	served := func(name string, yes bool) any { return map[string]any{"name": name, "served": yes} }
	s := &server{late: 4}
	c := connect(t, s)
	if err := c.AwaitServed(t.Context(), crd(served("v1", true), served("v2", false))); err != nil || s.late >= 0 {
		t.Errorf("got %v, with %d to wait for", err, s.late)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := c.AwaitServed(ctx, crd(served("v1", true), served("v2", true))); err == nil {
		t.Error("a version that nothing serves: no error")
	}
	if _, err := c.Mapping(schema.GroupKind{Group: "y.io", Kind: "None"}, "v1"); !meta.IsNoMatchError(err) {
		t.Errorf("got %v", err)
	}
}
