package cluster

import "testing"

func TestNeedsSourceWatcher(t *testing.T) {
	generator := Object{Group: "source.extensions.fluxcd.io", Version: "v1beta1", Kind: "ArtifactGenerator", Namespace: "apps", Name: "slices"}
	flux := func(name string) Object {
		return Object{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "flux-system", Name: name}
	}
	elsewhere := flux("source-controller")
	elsewhere.Namespace = "web"
	for name, c := range map[string]struct {
		planned []Object
		want    bool
	}{
		"nothing":                             {nil, false},
		"a generator":                         {[]Object{generator}, true},
		"a generator, and Flux without":       {[]Object{flux("source-controller"), generator}, false},
		"a generator, and Flux with":          {[]Object{flux("source-controller"), flux("source-watcher"), generator}, true},
		"Flux with":                           {[]Object{flux("source-controller"), flux("source-watcher")}, true},
		"Flux without":                        {[]Object{flux("source-controller")}, false},
		"a generator, and another Deployment": {[]Object{elsewhere, generator}, true},
	} {
		if got := NeedsSourceWatcher(c.planned); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
