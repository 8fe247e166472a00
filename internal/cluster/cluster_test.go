package cluster

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestObject(t *testing.T) {
	for _, c := range []struct {
		object             Object
		apiVersion, string string
	}{
		{Object{Version: "v1", Kind: "Namespace", Name: "a"}, "v1", "Namespace a"},
		{Object{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "a", Name: "b"}, "apps/v1", "Deployment a/b"},
	} {
		if got := c.object.APIVersion(); got != c.apiVersion {
			t.Errorf("got %q, want %q", got, c.apiVersion)
		}
		if got := c.object.String(); got != c.string {
			t.Errorf("got %q, want %q", got, c.string)
		}
	}
}

// Phases reports the beginning and the end of each part, and returns the part's error.
func TestPhases(t *testing.T) {
	var said []string
	p := Phases{Step: func(title string) func(error) {
		said = append(said, "begin "+title)
		return func(err error) {
			said = append(said, "end "+title)
			if err != nil {
				said = append(said, err.Error())
			}
		}
	}}
	if got := p.Seconds(); got != nil {
		t.Errorf("before anything ran: got %v", got)
	}
	err := p.Run("flux", func() error {
		said = append(said, "flux")
		time.Sleep(20 * time.Millisecond)
		return nil
	})
	if err != nil {
		t.Errorf("got %v", err)
	}
	broken := errors.New("broken")
	if err := p.Run("kapp", func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if want := []string{"begin flux", "flux", "end flux", "begin kapp", "end kapp", "broken"}; !slices.Equal(said, want) {
		t.Errorf("got %q, want %q", said, want)
	}
	got := p.Seconds()
	if _, noted := got["kapp"]; len(got) != 2 || !noted || got["flux"] < 0.02 || got["flux"] > 10 {
		t.Errorf("got %v", got)
	}
	got["flux"] = -1
	if again := p.Seconds(); again["flux"] < 0 {
		t.Error("the times are the caller's to change")
	}
}
