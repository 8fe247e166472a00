package kind

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	kinderrors "sigs.k8s.io/kind/pkg/errors"
	"sigs.k8s.io/kind/pkg/exec"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/docker"
)

func parsed(t *testing.T, given string, info docker.Info, mirrors bool) map[string]any {
	t.Helper()
	b, err := configuration([]byte(given), "seatrial-run", info, mirrors)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := yaml.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestErrorSaysWhatTheNodePrinted(t *testing.T) {
	full := &exec.RunError{Command: []string{"ctr"}, Output: []byte("importing\nno space left on device\n"), Inner: errors.New("exit status 1")}
	if got := said(kinderrors.Wrap(full, "failed to load image")); !strings.HasSuffix(got.Error(), ": no space left on device") {
		t.Errorf("told: %v", got)
	}
	if said(nil) != nil {
		t.Error("an error where there is none")
	}
}

func TestConfiguration(t *testing.T) {
	v2, v1 := docker.Info{CgroupVersion: "2"}, docker.Info{CgroupVersion: "1"}
	plain := map[string]any{"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "name": "seatrial-run"}
	if got := parsed(t, "", v2, false); !reflect.DeepEqual(got, plain) {
		t.Errorf("nothing given: %v", got)
	}
	got := parsed(t, "nodes: [{role: control-plane}, {role: worker}]\ncontainerdConfigPatches: [mine]\nname: other\n", v1, true)
	if len(got["nodes"].([]any)) != 2 || got["name"] != "seatrial-run" {
		t.Errorf("the user's nodes, and our name: %v", got)
	}
	if patches := got["containerdConfigPatches"].([]any); len(patches) != 2 || patches[0] != "mine" || !strings.Contains(patches[1].(string), mirrorDir) {
		t.Errorf("containerd patches %v", patches)
	}
	if patches := got["kubeadmConfigPatches"].([]any); len(patches) != 1 || !strings.Contains(patches[0].(string), "failCgroupV1: false") {
		t.Errorf("kubeadm patches %v", patches)
	}
	own := parsed(t, "kubeadmConfigPatches: ['kind: KubeletConfiguration\n\n  failCgroupV1: false']\n", v1, false)
	if patches := own["kubeadmConfigPatches"].([]any); len(patches) != 1 {
		t.Errorf("what the user says of cgroup v1 is said once: %v", patches)
	}
	for given, want := range map[string]string{"kind: Node": "want Cluster", "a: [": "not YAML"} {
		if _, err := configuration([]byte(given), "n", v2, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error about %q", given, err, want)
		}
	}
}

func TestRemoveRefusesOtherClusters(t *testing.T) {
	if err := Remove(t.Context(), docker.Client{Host: "tcp://127.0.0.1:1"}, "kind"); err == nil || !strings.Contains(err.Error(), "not a rehearsal's") {
		t.Errorf("got %v", err)
	}
}
