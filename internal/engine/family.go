package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	source "seatrial.dev/seatrial/engine"
	"seatrial.dev/seatrial/internal/pace"
)

// Family is a group of binaries that are built from one Go module.
type Family struct {
	Name string
	// Title names the family for a person.
	Title string
	// Binaries are package paths by binary name.
	Binaries map[string]string
	// stamp is the module whose version the binaries report, and variables are the Go
	// variables that the linker sets to it.
	stamp     string
	variables []string
	// bare leaves the v of the version out.
	bare bool
	// prepare changes the source in src before it is built; may be nil.
	prepare func(c *Cache, ctx context.Context, src, tmp string) error
	// of are the families that decide what this one is, beside itself.
	of []string
	// packages is roughly how many packages a build compiles, for the display of progress.
	packages int
}

// families are in the order of their builds. They are pinned to the same versions of shared
// modules wherever possible, so each family compiles only what those before it have not.
var families = []Family{
	{
		Name: "controlplane", Title: "Kubernetes", packages: 2680,
		Binaries:  map[string]string{"controlplane": "."},
		stamp:     "k8s.io/kubernetes",
		variables: []string{"k8s.io/component-base/version.gitVersion", "k8s.io/client-go/pkg/version.gitVersion"},
	},
	{
		Name: "flux", Title: "Flux", packages: 1560,
		Binaries: map[string]string{
			"source-controller":    "github.com/fluxcd/source-controller",
			"kustomize-controller": "github.com/fluxcd/kustomize-controller",
			"helm-controller":      "github.com/fluxcd/helm-controller",
			SourceWatcher:          fluxModule(SourceWatcher) + "/cmd",
		},
	},
	{
		Name: "carvel", Title: "Carvel tools", packages: 180,
		Binaries: map[string]string{
			"ytt": "carvel.dev/ytt/cmd/ytt", "kapp": "carvel.dev/kapp/cmd/kapp", "kbld": "carvel.dev/kbld/cmd/kbld",
			"imgpkg": "carvel.dev/imgpkg/cmd/imgpkg", "vendir": "carvel.dev/vendir/cmd/vendir",
		},
	},
	{
		Name: "kapp-controller", Title: "kapp-controller", packages: 780,
		Binaries:  map[string]string{"kapp-controller": "github.com/vmware-tanzu/carvel-kapp-controller/cmd/controller"},
		stamp:     "github.com/vmware-tanzu/carvel-kapp-controller",
		variables: []string{"main.Version"},
	},
}

// family returns the built family of that name. It panics if there is none.
func family(name string) Family {
	return families[slices.IndexFunc(families, func(f Family) bool { return f.Name == name })]
}

// module is the family's parsed go.mod.
func (f Family) module() (*modfile.File, error) {
	return modfile.Parse(f.Name+"/go.mod", source.Source(f.Name)["go.mod"], nil)
}

// version is the pinned version of one of the family's modules.
func (f Family) version(module string) (string, error) {
	mod, err := f.module()
	if err != nil {
		return "", err
	}
	for _, r := range mod.Require {
		if r.Mod.Path == module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s: go.mod does not require %s", f.Name, module)
}

// compileFlags leave out debug information, which is stripped at the end anyway (a
// sixth of a cold build). They also leave out inlining where a rehearsal spends no
// time: in generated clients, controllers and cloud providers' clients. The packages
// that parse, encode and compare objects, listed here, are inlined: without that, a
// rehearsal takes nearly twice the processor time.
var compileFlags = func() []string {
	flags := []string{"-gcflags=all=-dwarf=false -l"}
	for _, pattern := range []string{
		"std",
		"github.com/fxamacker/cbor/...", "github.com/gogo/protobuf/...", "github.com/google/cel-go/...", "github.com/google/gnostic-models/...",
		"github.com/google/btree/...", "github.com/go-openapi/...", "github.com/json-iterator/...", "github.com/modern-go/...", "go.etcd.io/...",
		"go.yaml.in/...", "golang.org/x/...", "google.golang.org/grpc/...", "google.golang.org/protobuf/...", "gopkg.in/...",
		"k8s.io/api/...", "k8s.io/apimachinery/...", "k8s.io/apiserver/...", "k8s.io/client-go/rest/...", "k8s.io/client-go/tools/...",
		"k8s.io/client-go/util/...", "k8s.io/kube-openapi/...", "k8s.io/utils/...", "sigs.k8s.io/json/...", "sigs.k8s.io/kustomize/...",
		"sigs.k8s.io/structured-merge-diff/...", "sigs.k8s.io/yaml/...",
	} {
		flags = append(flags, "-gcflags="+pattern+"=-dwarf=false")
	}
	return flags
}()

// buildArgs returns the flags of go build. They are the same for every family except
// for the version stamp: otherwise families could not share the build cache.
func (f Family) buildArgs() ([]string, error) {
	ld := "-s -w"
	if f.stamp != "" {
		v, err := f.version(f.stamp)
		if err != nil {
			return nil, err
		}
		if f.bare {
			v = trimV(v)
		}
		for _, name := range f.variables {
			ld += " -X " + name + "=" + v
		}
	}
	args := append([]string{"-mod=readonly", "-trimpath", "-buildvcs=false"}, compileFlags...)
	return append(args, "-ldflags", ld), nil
}

// Key is a hash, in 16 hexadecimal digits, of everything that decides what a build makes.
func (f Family) Key(goVersion string) (string, error) {
	args, err := f.buildArgs()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if !pace.Substituted {
		fmt.Fprintln(h, "as upstream")
	}
	fmt.Fprintln(h, "v1", goVersion, runtime.GOOS, runtime.GOARCH, strings.Join(args, " "), manifestRevision)
	files := source.Source(f.Name)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s %d\n%s", name, len(files[name]), files[name])
	}
	for _, name := range slices.Sorted(maps.Keys(f.Binaries)) {
		fmt.Fprintln(h, name, f.Binaries[name])
	}
	for _, name := range f.of {
		key, err := family(name).Key(goVersion)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, name, key)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// partsOf are the parts of the engine that reports name, each with its family and module.
var partsOf = map[string][2]string{
	"kubernetes":           {"controlplane", "k8s.io/kubernetes"},
	"etcd":                 {"controlplane", "go.etcd.io/etcd/server/v3"},
	"kwok":                 {"controlplane", "sigs.k8s.io/kwok"},
	"flux":                 {"flux", "github.com/fluxcd/flux2/v2"},
	"source-controller":    {"flux", "github.com/fluxcd/source-controller"},
	"kustomize-controller": {"flux", "github.com/fluxcd/kustomize-controller"},
	"helm-controller":      {"flux", "github.com/fluxcd/helm-controller"},
	SourceWatcher:          {"flux", fluxModule(SourceWatcher)},
	"kapp-controller":      {"kapp-controller", "github.com/vmware-tanzu/carvel-kapp-controller"},
}

// Versions returns the pinned versions of the engine's parts, for reports, and what of them is
// built otherwise than upstream does.
func Versions() (map[string]string, error) {
	out := map[string]string{}
	for name, where := range partsOf {
		v, err := family(where[0]).version(where[1])
		if err != nil {
			return nil, err
		}
		changed, err := family(where[0]).substitutions()
		if err != nil {
			return nil, err
		}
		var says []string
		for _, s := range changed {
			if s.Part == name {
				says = append(says, "it "+s.Says)
			}
		}
		if out[name] = v; len(says) > 0 {
			out[name] += ", changed: " + strings.Join(says, "; ")
		}
	}
	return out, nil
}
