package generate

import (
	"bytes"
	"fmt"
	"path"
	"slices"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/catalogue"
)

// Moved returns what the owner of a repo has to know of the services whose chart becomes
// another one by the plan, not just another version.
func (p *Plan) Moved() ([]string, error) {
	c, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, change := range p.Changes {
		if path.Base(path.Dir(change.Path)) == "kapp-post" && bytes.Contains(change.Old, []byte("selfSigned: {}")) && change.New != nil && !bytes.Contains(change.New, []byte("selfSigned: {}")) {
			out = append(out, "bootstrap-issuer signs with an authority now, which services trust, and no longer each certificate for itself: have cert-manager renew them (delete the Secrets NAME-tls), and give a Vault that signs already the authority, too: docs/vault.md, then vault write pki/config/issuers default=ID of the new one")
		}
		if path.Base(path.Dir(change.Path)) != "helm" || change.Old == nil || change.New == nil {
			continue
		}
		was, is := chartOf(change.Old), chartOf(change.New)
		i := slices.IndexFunc(c.Services, func(s *catalogue.Service) bool { return s.Chart != nil && s.Chart.Name == is && s.Moved != "" })
		if was != "" && was != is && i >= 0 {
			out = append(out, fmt.Sprintf("%s: chart %s replaces %s: %s", c.Services[i].Name, is, was, c.Services[i].Moved))
		}
	}
	return out, nil
}

// chartOf returns the name of a HelmRelease's chart, or nothing for another text.
func chartOf(manifest []byte) string {
	var release struct {
		Spec struct {
			Chart struct {
				Spec struct {
					Chart string `json:"chart"`
				} `json:"spec"`
			} `json:"chart"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(manifest, &release); err != nil {
		return "" // the owner's own text
	}
	return release.Spec.Chart.Spec.Chart
}
