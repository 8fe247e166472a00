// Package blueprint is what a user writes to get a GitOps repo.
package blueprint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"filippo.io/age"
	"go.yaml.in/yaml/v3"
)

// The version of the format.
const (
	APIVersion = "seatrial.dev/v1alpha1"
	Kind       = "Blueprint"
)

// Blueprint describes a shared-services cluster. Fields that are left out have
// the sample blueprint's values.
type Blueprint struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	// Cluster is the cluster's name: the folder below platforms/clusters.
	Cluster string `yaml:"cluster"`
	// Domain is what the services' host names end in.
	Domain string `yaml:"domain"`
	// PackagingGlobalNamespace is where kapp-controller's packages are visible to all namespaces.
	PackagingGlobalNamespace string `yaml:"packagingGlobalNamespace"`
	// Issuer is the ClusterIssuer of the services' certificates.
	Issuer string `yaml:"issuer"`
	// Recipients are the age recipients that secrets are encrypted for.
	Recipients []string `yaml:"recipients"`
}

// Default is the sample blueprint.
func Default() *Blueprint {
	return &Blueprint{
		APIVersion: APIVersion, Kind: Kind,
		Cluster: "services", Domain: "services.my-domain.com",
		PackagingGlobalNamespace: "tkg-system", Issuer: "vault-issuer",
	}
}

// Parse reads a blueprint. name is for error messages.
func Parse(name string, b []byte) (*Blueprint, error) {
	bp := Default()
	bp.APIVersion, bp.Kind = "", ""
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(bp); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: the file is empty: start it with apiVersion: %s and kind: %s", name, APIVersion, Kind)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %s", name, strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " "))
	}
	if bp.APIVersion != APIVersion || bp.Kind != Kind {
		return nil, fmt.Errorf("%s: want apiVersion: %s and kind: %s, not %q and %q", name, APIVersion, Kind, bp.APIVersion, bp.Kind)
	}
	return bp, bp.validate(name)
}

var (
	label  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	domain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$`)
)

func (b *Blueprint) validate(name string) error {
	for _, f := range []struct {
		key, value, want string
		ok               *regexp.Regexp
	}{
		{"cluster", b.Cluster, "a DNS label such as services", label},
		{"domain", b.Domain, "a domain such as services.my-domain.com", domain},
		{"packagingGlobalNamespace", b.PackagingGlobalNamespace, "a namespace such as tkg-system", label},
		{"issuer", b.Issuer, "a name such as vault-issuer", label},
	} {
		if !f.ok.MatchString(f.value) {
			return fmt.Errorf("%s: %s: want %s, not %q", name, f.key, f.want, f.value)
		}
	}
	for _, r := range b.Recipients {
		if _, err := age.ParseRecipients(bytes.NewReader([]byte(r))); err != nil {
			return fmt.Errorf("%s: recipients: %q is not an age recipient: want age1…, as age-keygen -y prints it", name, r)
		}
	}
	return nil
}
