package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"sigs.k8s.io/yaml"
)

// Repository returns the files of a Helm repository with charts, by their names: its index, and the archives.
func Repository(charts []Chart) (map[string][]byte, error) {
	files := map[string][]byte{}
	entries := map[string][]map[string]any{}
	for _, c := range charts {
		digest := sha256.Sum256(c.Archive)
		file := fmt.Sprintf("%s-%s.tgz", c.Name, c.Version)
		files[file] = c.Archive
		entries[c.Name] = append(entries[c.Name], map[string]any{
			"apiVersion": "v2", "name": c.Name, "version": c.Version, "appVersion": "stand-in",
			"urls": []string{file}, "digest": hex.EncodeToString(digest[:]), "created": "2026-01-01T00:00:00Z",
		})
	}
	var err error
	files["index.yaml"], err = yaml.Marshal(map[string]any{"apiVersion": "v1", "generated": "2026-01-01T00:00:00Z", "entries": entries})
	return files, err
}
