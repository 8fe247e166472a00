package prerequisite

import (
	"regexp"

	"seatrial.dev/seatrial/internal/gitops"
)

// gates are those that decide what the API server takes, and that are off by default.
var gates = []string{"HPAScaleToZero"}

// Gates are the feature gates that a file of the repo turns on for its cluster: the configuration of kubeadm, k3s, Talos
// and the like, which all write NAME=true or NAME: true.
func Gates(tree *gitops.Tree) []string {
	var out []string
	for _, g := range gates {
		if on := regexp.MustCompile(g + `["']?\s*[=:]\s*["']?true`); tree.Mentions(on) {
			out = append(out, g)
		}
	}
	return out
}
