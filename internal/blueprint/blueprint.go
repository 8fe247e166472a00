// Package blueprint is what a user writes to get a GitOps repo.
package blueprint

import "seatrial.dev/seatrial/internal/policy"

// The version of the format.
const (
	APIVersion = "seatrial.dev/v1alpha1"
	Kind       = "Blueprint"
	// File is what a blueprint is called, if the user does not say otherwise.
	File = "seatrial.yaml"
)

// Flavours of clusters.
const (
	TKG2    = "tkg-2"   // brings kapp-controller and secretgen-controller
	Generic = "generic" // the repo brings them
)

// Blueprint describes a shared-services cluster. Fields that are left out have
// the sample blueprint's values.
type Blueprint struct {
	APIVersion string `yaml:"apiVersion" json:"apiVersion" jsonschema:"enum=seatrial.dev/v1alpha1"`
	Kind       string `yaml:"kind" json:"kind" jsonschema:"enum=Blueprint"`
	// The cluster's name: a DNS label. It names the folder below platforms/clusters and the realm of single sign-on.
	Cluster string `yaml:"cluster" json:"cluster,omitempty"`
	// Folder of the cluster in the repo; platforms/clusters/<cluster> by default.
	Path string `yaml:"path" json:"path,omitempty"`
	// What the cluster is: tkg-2 has kapp-controller and secretgen-controller already, on generic the repo brings them.
	Flavour string `yaml:"flavour" json:"flavour,omitempty" jsonschema:"enum=tkg-2,enum=generic"`
	// What the services' host names end in.
	Domain string `yaml:"domain" json:"domain,omitempty"`
	// Where the repo is hosted; used in its README and CI workflow.
	Git Git `yaml:"git" json:"git,omitempty"`
	// Namespace whose Carvel packages all namespaces see; by default tkg-system, or on generic clusters kapp-controller-packaging-global.
	PackagingGlobalNamespace string `yaml:"packagingGlobalNamespace" json:"packagingGlobalNamespace,omitempty"`
	// StorageClass of all volumes; empty is the cluster's default.
	StorageClass string `yaml:"storageClass" json:"storageClass,omitempty"`
	// ClusterIssuer of the services' certificates: by default vault-issuer if Vault is among the services, else bootstrap-issuer, which signs for itself. Another name is an issuer of your own.
	Issuer string `yaml:"issuer" json:"issuer,omitempty"`
	// Certificates, as PEM, of the authority behind an issuer of your own, which services trust when they sign people on by Keycloak; not needed if it is publicly trusted.
	IssuerCA string `yaml:"issuerCA" json:"issuerCA,omitempty"`
	// Where images are pulled through: registry and project, by the upstream registry's host, as docker.io: harbor.my-domain.com/dh-proxy. A registry that is not named is pulled from directly. One text is the proxy of all registries.
	RegistryProxy RegistryProxy `yaml:"registryProxy" json:"registryProxy,omitempty"`
	// The older way to write registryProxy for single registries.
	RegistryProxies map[string]string `yaml:"registryProxies" json:"registryProxies,omitempty"`
	// The age recipients that secrets are encrypted for.
	Recipients []string `yaml:"recipients" json:"recipients,omitempty"`
	// Release manifests of the controllers that a generic cluster lacks.
	ClusterEssentials ClusterEssentials `yaml:"clusterEssentials" json:"clusterEssentials,omitempty"`
	// What a promotion to a real cluster has to satisfy. It becomes .seatrial.yaml of the repo.
	Promotion *policy.Promotion `yaml:"promotion" json:"promotion,omitempty"`
	// The services, by name. cert-manager and contour come with every exposed service.
	Services map[string]*Service `yaml:"services" json:"services,omitempty"`
}

// Git is where the repo is hosted.
type Git struct {
	Provider   string `yaml:"provider" json:"provider,omitempty" jsonschema:"enum=github,enum=gitlab,enum=gitea,enum=generic"`
	Owner      string `yaml:"owner" json:"owner,omitempty"`
	Repository string `yaml:"repository" json:"repository,omitempty"`
	Branch     string `yaml:"branch" json:"branch,omitempty"`
}

// ClusterEssentials are release manifests that generate copies into the repo.
type ClusterEssentials struct {
	KappController      *Manifest `yaml:"kappController" json:"kappController,omitempty"`
	SecretgenController *Manifest `yaml:"secretgenController" json:"secretgenController,omitempty"`
}

// Manifest is a release manifest: a file, or a URL with the checksum of what it serves.
type Manifest struct {
	// Path of the manifest, relative to the blueprint.
	File string `yaml:"file" json:"file,omitempty"`
	// https URL of the manifest.
	URL string `yaml:"url" json:"url,omitempty"`
	// SHA-256 of the manifest, in hexadecimal; required with url.
	SHA256 string `yaml:"sha256" json:"sha256,omitempty"`
}

// Service is what a user may say of a service. An empty one takes all defaults.
type Service struct {
	// Version of the chart or package.
	Version string `yaml:"version" json:"version,omitempty"`
	// Host name before the domain, of the service's main address.
	Host string `yaml:"host" json:"host,omitempty"`
	// Whether the service gets host names and certificates; true by default.
	Exposed *bool `yaml:"exposed" json:"exposed,omitempty"`
	// Values of the chart or package, over those that generate sets; lists replace lists.
	Values map[string]any `yaml:"values" json:"values,omitempty"`
	// Requests and limits of its main workload.
	Resources map[string]any `yaml:"resources" json:"resources,omitempty"`
}

// Default is the sample blueprint.
func Default() *Blueprint {
	b := defaults()
	b.APIVersion, b.Kind = APIVersion, Kind
	b.Services = map[string]*Service{"harbor": {}, "minio": {}}
	b.Issuer = BootstrapIssuer // there is no Vault
	return b
}

// defaults returns a blueprint with the values of all fields that a user may leave out.
func defaults() *Blueprint {
	return &Blueprint{
		Cluster: "services", Flavour: TKG2, Domain: "services.my-domain.com",
		Git:                      Git{Provider: "github", Owner: "my-org", Repository: "shared-services", Branch: "main"},
		PackagingGlobalNamespace: "tkg-system", Issuer: VaultIssuer,
	}
}

// BootstrapIssuer is the ClusterIssuer that needs nothing but cert-manager: it signs with an
// authority that is generated along with the repo.
const BootstrapIssuer = "bootstrap-issuer"

// VaultIssuer is the ClusterIssuer that has the blueprint's Vault sign with the same authority.
const VaultIssuer = "vault-issuer"

// OwnAuthority says whether the services' certificates are signed by the authority that is
// generated for the cluster: by the bootstrap issuer, or by a Vault that is given it.
func (b *Blueprint) OwnAuthority() bool {
	return b.Issuer == BootstrapIssuer || b.Issuer == VaultIssuer && b.Services["vault"] != nil
}

// ClusterDir is the cluster's folder in the repo.
func (b *Blueprint) ClusterDir() string {
	if b.Path != "" {
		return b.Path
	}
	return "platforms/clusters/" + b.Cluster
}
