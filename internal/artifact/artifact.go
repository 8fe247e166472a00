// Package artifact packs a tree as the OCI artifact that Flux's OCIRepository takes:
// https://fluxcd.io/flux/cheatsheets/oci-artifacts/
package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The media types of an artifact.
const (
	config  = types.MediaType("application/vnd.cncf.flux.config.v1+json")
	content = types.MediaType("application/vnd.cncf.flux.content.v1.tar+gzip")
)

// Revision is the annotation that says what the artifact was made of.
const Revision = "org.opencontainers.image.revision"

// Make packs the regular files of a tree. The same files and annotations always give the same digest.
func Make(tree fs.FS, annotations map[string]string) (v1.Image, error) {
	layer, err := pack(tree)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), config)
	image, err = mutate.Append(image, mutate.Addendum{Layer: static.NewLayer(layer, content), MediaType: content})
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, annotations).(v1.Image), nil
}

// pack is the tree as a compressed tar archive, without anything that differs from one packing to the next.
func pack(tree fs.FS) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(b)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = archive.Write(b)
		return err
	})
	err = errors.Join(err, archive.Close(), zip.Close()) // before the bytes are looked at
	return out.Bytes(), err
}
