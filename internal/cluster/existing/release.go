package existing

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"
)

// release is a manifest that upstream publishes; its images are named by digest.
type release struct {
	name, version, sha256 string
}

var (
	// renovate: datasource=github-release-attachments depName=carvel-dev/kapp-controller
	kappRelease = release{"kapp-controller", "v0.60.9", "19a2984ba32d5992195886465d7d48dde8dab2bd9a3d9b04ff6ee1d8dea60e70"}
	// renovate: datasource=github-release-attachments depName=carvel-dev/secretgen-controller
	secretgenRelease = release{"secretgen-controller", "v0.20.1", "bfade70721a7e7bf2c96963badaf10f9731782d780b059645e4d93774f5d38c2"}
)

// releases is the URL below which Carvel's projects publish their releases.
var releases = "https://github.com/carvel-dev"

func (r release) url() string {
	return releases + "/" + r.name + "/releases/download/" + r.version + "/release.yml"
}

// fetch downloads the manifest, up to 4 MiB within 20 seconds, and verifies its checksum.
func (r release) fetch(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", r.url(), answer.Status)
	}
	const most = 4 << 20
	b, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != r.sha256 {
		return nil, fmt.Errorf("%s has sha256 %x, which is not the pinned %s", r.url(), sum, r.sha256)
	}
	return b, nil
}

// at rewrites a manifest so that its images are pulled through the registry that
// proxies others.
func (i Images) at(manifest []byte) []byte {
	return bytes.ReplaceAll(manifest, []byte("image: ghcr.io/"), []byte("image: "+i.At("ghcr.io/")))
}
