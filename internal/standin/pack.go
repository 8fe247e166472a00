package standin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"sigs.k8s.io/yaml"
)

// packed is the time stamp of every packed file, so that archives are reproducible.
var packed = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// packChart makes a chart archive of the given version.
func packChart(files fs.FS, chart, version string) ([]byte, error) {
	tree, err := readTree(files, ".")
	if err != nil {
		return nil, err
	}
	meta, err := readMap(files, "Chart.yaml")
	if err != nil {
		return nil, err
	}
	meta["version"] = version
	if tree["Chart.yaml"], err = yaml.Marshal(meta); err != nil {
		return nil, err
	}
	inChart := map[string][]byte{}
	for name, b := range tree {
		inChart[path.Join(chart, name)] = b
	}
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	if err := writeTar(gz, inChart); err != nil {
		return nil, err
	}
	if err := gz.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writeTar(w io.Writer, files map[string][]byte) error {
	t := tar.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), ModTime: packed, Typeflag: tar.TypeReg}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(files[name]); err != nil {
			return err
		}
	}
	return t.Close()
}

// bundle makes an imgpkg bundle: one layer, a lock file that names no images,
// and the label by which imgpkg knows a bundle.
func bundle(files map[string][]byte) (v1.Image, error) {
	all := maps.Clone(files)
	all[".imgpkg/images.yml"] = []byte("apiVersion: imgpkg.carvel.dev/v1alpha1\nkind: ImagesLock\nimages: []\n")
	var layer bytes.Buffer
	if err := writeTar(&layer, all); err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return nil, err
	}
	return mutate.Config(img, v1.Config{Labels: map[string]string{"dev.carvel.imgpkg.bundle": "true"}})
}

func packageMetadata(refName, displayName string) ([]byte, error) {
	return yaml.Marshal(map[string]any{
		"apiVersion": "data.packaging.carvel.dev/v1alpha1", "kind": "PackageMetadata",
		"metadata": map[string]any{"name": refName},
		"spec":     map[string]any{"displayName": displayName, "shortDescription": "stand-in for a rehearsal"},
	})
}

func packageVersion(refName, version, image string) ([]byte, error) {
	return yaml.Marshal(map[string]any{
		"apiVersion": "data.packaging.carvel.dev/v1alpha1", "kind": "Package",
		"metadata": map[string]any{"name": refName + "." + version},
		"spec": map[string]any{
			"refName": refName, "version": version,
			"template": map[string]any{"spec": map[string]any{
				"fetch":    []any{map[string]any{"imgpkgBundle": map[string]any{"image": image}}},
				"template": []any{map[string]any{"ytt": map[string]any{"paths": []any{"config/"}}}},
				"deploy":   []any{map[string]any{"kapp": map[string]any{}}},
			}},
		},
	})
}
