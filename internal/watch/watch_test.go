package watch

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/live"
)

// server imitates an API server that serves Secrets and, once it is told to, Widgets.
type server struct {
	mu      sync.Mutex
	widgets bool
	events  chan string // of the watch on Secrets
}

const secretJSON = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"%s","namespace":"web","uid":"1","resourceVersion":"%d"},"data":{"password":"aHVudGVyMg=="}}`

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	widgets := s.widgets
	s.mu.Unlock()
	say := func(format string, args ...any) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, format, args...)
		w.(http.Flusher).Flush()
	}
	switch watching := r.URL.Query().Get("watch") != ""; {
	case r.URL.Query().Get("sendInitialEvents") != "": // the answer of servers without streaming lists
		w.WriteHeader(http.StatusUnprocessableEntity)
		say(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)
	case r.URL.Path == "/api":
		say(`{"kind":"APIVersions","versions":["v1"]}`)
	case r.URL.Path == "/api/v1":
		say(`{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"secrets","namespaced":true,"kind":"Secret","verbs":["list","watch"]}]}`)
	case r.URL.Path == "/apis" && widgets:
		say(`{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"x.io","versions":[{"groupVersion":"x.io/v1","version":"v1"}],"preferredVersion":{"groupVersion":"x.io/v1","version":"v1"}}]}`)
	case r.URL.Path == "/apis":
		say(`{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`)
	case r.URL.Path == "/apis/x.io/v1":
		say(`{"kind":"APIResourceList","groupVersion":"x.io/v1","resources":[{"name":"widgets","namespaced":false,"kind":"Widget","verbs":["list","watch"]}]}`)
	case r.URL.Path == "/api/v1/secrets" && !watching:
		say(`{"apiVersion":"v1","kind":"SecretList","metadata":{"resourceVersion":"1"},"items":[%s]}`, fmt.Sprintf(secretJSON, "first", 1))
	case r.URL.Path == "/apis/x.io/v1/widgets" && !watching:
		say(`{"apiVersion":"x.io/v1","kind":"WidgetList","metadata":{"resourceVersion":"1"},"items":[]}`)
	case watching && r.URL.Path == "/api/v1/secrets":
		say("")
		for {
			select {
			case e := <-s.events:
				say("%s\n", e)
			case <-r.Context().Done():
				return
			}
		}
	case watching:
		say("")
		<-r.Context().Done()
	default:
		http.NotFound(w, r)
	}
}

func start(t *testing.T) (*server, *View) {
	t.Helper()
	s := &server{events: make(chan string)}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	client, err := kube.New(&rest.Config{Host: h.URL})
	if err != nil {
		t.Fatal(err)
	}
	return s, New(t.Context(), client)
}

// await waits until a condition on the view holds, ten seconds at most.
func await(t *testing.T, v *View, what string, holds func() bool) {
	t.Helper()
	for deadline := time.After(10 * time.Second); !holds(); {
		select {
		case <-v.Changed():
		case <-deadline:
			t.Fatalf("%s: not seen", what)
		}
	}
}

var (
	secretKind = schema.GroupKind{Kind: "Secret"}
	widgetKind = schema.GroupKind{Group: "x.io", Kind: "Widget"}
)

func TestViewFollowsAKind(t *testing.T) {
	s, v := start(t)
	first := live.Ref{GroupKind: secretKind, Namespace: "web", Name: "first"}
	if _, known := v.Get(first); known {
		t.Error("a kind is known that is not watched")
	}
	v.Watch(secretKind)
	await(t, v, "the first Secret", func() bool { u, known := v.Get(first); return known && u != nil })
	before := v.kinds[secretKind]
	if v.Watch(secretKind); v.kinds[secretKind] != before {
		t.Error("a kind that is watched is watched again")
	}
	if !v.Synced() {
		t.Error("all is read, and the view is not synced")
	}
	u, _ := v.Get(first)
	if got, found, _ := unstructured.NestedString(u.Object, "data", "password"); !found || got != "" {
		t.Errorf("the key's value is %q, want none: only its name matters", got)
	}
	if u, known := v.Get(live.Ref{GroupKind: secretKind, Namespace: "web", Name: "second"}); !known || u != nil {
		t.Errorf("got %v, %v of an object that is not there", u, known)
	}
	s.events <- `{"type":"ADDED","object":` + fmt.Sprintf(secretJSON, "second", 2) + `}`
	await(t, v, "a new Secret", func() bool { return len(v.List(secretKind)) == 2 })
	s.events <- `{"type":"DELETED","object":` + fmt.Sprintf(secretJSON, "first", 3) + `}`
	await(t, v, "a deletion", func() bool { u, known := v.Get(first); return known && u == nil })
}

// A kind whose CRD comes later is watched once it is served.
func TestViewTriesAKindAgain(t *testing.T) {
	s, v := start(t)
	v.Watch(widgetKind)
	widget := live.Ref{GroupKind: widgetKind, Name: "w"}
	if _, known := v.Get(widget); known || v.List(widgetKind) != nil || !v.Synced() {
		t.Error("a kind that nothing serves is known")
	}
	s.mu.Lock()
	s.widgets = true
	s.mu.Unlock()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		v.Watch(widgetKind)
		if _, known := v.Get(widget); known {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the kind is not watched though it is served")
		}
	}
}
