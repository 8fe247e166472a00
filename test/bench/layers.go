package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// width is how many layers of a generated repo may reconcile at the same time: each depends on
// the one that is so many before it.
const width = 10

// writeLayers writes a healthy Flux repo of n layers, each with a ConfigMap, a Service and a
// Deployment that the layer waits for.
func writeLayers(dir string, n int) error {
	var all strings.Builder
	for i := range n {
		name := fmt.Sprintf("layer-%03d", i)
		fmt.Fprintf(&all, `---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: %s, namespace: flux-system}
spec:
  interval: 10m
  path: ./layers/%s
  prune: true
  wait: true
  sourceRef: {kind: GitRepository, name: flux-system}
`, name, name)
		if i >= width {
			fmt.Fprintf(&all, "  dependsOn: [{name: layer-%03d}]\n", i-width)
		}
		if err := write(filepath.Join(dir, "layers", name, "all.yaml"), strings.ReplaceAll(layer, "NAME", name)); err != nil {
			return err
		}
	}
	return write(filepath.Join(dir, "clusters", "bench", "layers.yaml"), all.String())
}

// layer is what a layer applies.
const layer = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME, namespace: default}
data: {greeting: hello}
---
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: default}
spec:
  selector: {app: NAME}
  ports: [{name: http, port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: default}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers: [{name: web, image: "registry.example.com/web:1.0.0", envFrom: [{configMapRef: {name: NAME}}]}]
`

func write(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}
