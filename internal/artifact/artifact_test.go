package artifact

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"testing"
	"testing/fstest"
)

// The same files give the same digest, and come out as they were.
func TestArtifact(t *testing.T) {
	tree := fstest.MapFS{"b/c.yaml": {Data: []byte("c")}, "a.yaml": {Data: []byte("a")}}
	var digests [2]string
	for i := range digests {
		image, err := Make(tree, map[string]string{Revision: "sha1:1"})
		if err != nil {
			t.Fatal(err)
		}
		digest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[i] = digest.String()
		layers, err := image.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatal(layers, err)
		}
		packed, err := layers[0].Compressed()
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for archive := tar.NewReader(r); ; {
			h, err := archive.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			got[h.Name] = string(b)
		}
		if len(got) != 2 || got["a.yaml"] != "a" || got["b/c.yaml"] != "c" {
			t.Errorf("got %v", got)
		}
	}
	if digests[0] != digests[1] {
		t.Errorf("digests %v", digests)
	}
}
