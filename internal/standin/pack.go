package standin

import (
	"archive/tar"
	"bytes"
	"io"
	"maps"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"sigs.k8s.io/yaml"
)

// packed is the time stamp of every packed file, so that archives are reproducible.
var packed = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

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

// ChartImage makes an OCI image of a chart archive, as helm push does.
func ChartImage(archive []byte) (v1.Image, error) {
	layer := static.NewLayer(archive, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
	img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigMediaType(img, "application/vnd.cncf.helm.config.v1+json"), nil
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
