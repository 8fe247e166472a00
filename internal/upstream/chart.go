package upstream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// chartLayer is the media type of a chart's archive in a registry.
const chartLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

// ChartDigest returns the digest of a chart's archive as its repository gives it now: sha256: and hexadecimal digits.
// url is the repository's, https:// or oci://.
func ChartDigest(ctx context.Context, url, chart, version string, o Options) (string, error) {
	c := newChecker(o)
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if repository, oci := strings.CutPrefix(url, "oci://"); oci {
		return c.layerDigest(ctx, strings.TrimRight(repository, "/")+"/"+chart+":"+strings.ReplaceAll(version, "+", "_"))
	}
	entries, err := c.fetchIndex(ctx, url)
	if err != nil {
		return "", err
	}
	for _, e := range entries[chart] {
		if e.Version != version {
			continue
		}
		if e.Digest == "" {
			return "", fmt.Errorf("the index of %s gives no digest of it", url)
		}
		return "sha256:" + strings.TrimPrefix(e.Digest, "sha256:"), nil
	}
	return "", fmt.Errorf("%s has no version %s of it any more", url, version)
}

// layerDigest is the digest of the chart in an image.
func (c checker) layerDigest(ctx context.Context, image string) (string, error) {
	ref, err := name.ParseReference(image)
	if err != nil {
		return "", err
	}
	img, err := remote.Image(ref, remote.WithContext(ctx), remote.WithTransport(c.Transport), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return "", err
	}
	m, err := img.Manifest()
	if err != nil {
		return "", err
	}
	for _, l := range m.Layers {
		if l.MediaType == chartLayer {
			return l.Digest.String(), nil
		}
	}
	return "", errors.New("the image has no chart in it")
}
