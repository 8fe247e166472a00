package generate

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
)

// data is what a template can refer to: the blueprint's fields and, in the files of a
// service, that service's.
type data struct {
	*blueprint.Blueprint
	ClusterDir string

	Release   string // name of the Helm release or PackageInstall
	Namespace string
	Timeout   string
	Chart     catalogue.Chart
	Package   catalogue.Package
	Database  catalogue.Database
	DependsOn []releaseRef
	// ProxiedImages are those that a post-renderer or overlay points at a proxy.
	ProxiedImages []proxied
	// IndentedValues are a package's values, as a block of text.
	IndentedValues string

	// For the templates of a namespace, a repository or a host name.
	Name, PodSecurity, Repository, URL, Image, DepName string
	OCI                                                bool
	FQDN, Issuer                                       string
	Exposure                                           catalogue.Exposure
	Routes                                             []catalogue.Route
}

type releaseRef struct{ Name, Namespace string }

type proxied struct{ From, To string }

// data returns the data for the templates of a service, or with s nil for all others.
func (r *renderer) data(s *instance) data {
	d := data{Blueprint: r.blueprint, ClusterDir: r.blueprint.ClusterDir(), Issuer: r.blueprint.Issuer}
	if s == nil {
		return d
	}
	d.Release, d.Namespace, d.Timeout, d.DependsOn = s.release, s.namespace, s.entry.Timeout, s.dependsOn
	if s.entry.Chart != nil {
		d.Chart = *s.entry.Chart
		d.Chart.Version = cmp.Or(s.wish.Version, d.Chart.Version)
	}
	if s.entry.Package != nil {
		d.Package = *s.entry.Package
		d.PodSecurity = s.entry.PodSecurity
		d.Package.Version = cmp.Or(s.wish.Version, d.Package.Version)
	}
	if s.database != nil {
		d.Database = *s.database
	}
	for _, image := range s.entry.Images {
		name, _ := catalogue.SplitImage(image)
		if to := Proxied(r.blueprint, name); to != name && r.direct(s, name) == "" && !slices.Contains(s.entry.ValuesRewrite, name) {
			d.ProxiedImages = append(d.ProxiedImages, proxied{name, to})
		}
	}
	return d
}

// Proxied is the name under which an image is pulled through the blueprint's
// registry proxy; its own name without one.
func Proxied(b *blueprint.Blueprint, name string) string {
	host, repository := catalogue.Registry(name)
	proxy := b.Proxy(host)
	if proxy == "" {
		return name
	}
	return proxy + "/" + repository
}

// pulledAs is a whole image reference, pulled through the blueprint's registry proxy if it has one.
func pulledAs(b *blueprint.Blueprint, image string) string {
	name, _ := catalogue.SplitImage(image)
	return Proxied(b, name) + strings.TrimPrefix(image, name)
}

// caBundle returns the certificates of the authority that signs the services' certificates, as PEM.
func (r *renderer) caBundle(c *Credentials) (string, error) {
	if !r.blueprint.OwnAuthority() {
		return r.blueprint.IssuerCA, nil
	}
	a, err := c.authority(r.blueprint.Cluster)
	return a.Certificate, err
}

// fill executes a template. If c is nil, the names of credentials take the place of
// their values.
func (r *renderer) fill(name, text string, d data, c *Credentials) ([]byte, error) {
	b := r.blueprint
	t, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Funcs(template.FuncMap{
		"join":     strings.Join,
		"has":      func(service string) bool { return b.Services[service] != nil },
		"layer":    r.has,
		"top":      func(dir string) string { top, _, _ := strings.Cut(dir, "/"); return top },
		"host":     r.host,
		"registry": func(host string) string { return cmp.Or(b.Proxy(host), host) },
		"image":    func(image string) string { return pulledAs(b, image) },
		"baseDN": func() string {
			return "dc=" + strings.ReplaceAll(b.Domain, ".", ",dc=")
		},
		"domainLabel":   func() string { label, _, _ := strings.Cut(b.Domain, "."); return label },
		"indent":        func(by int, text string) string { return strings.TrimRight(indent(text, by), "\n") },
		"trustsCA":      func() bool { return b.Services["keycloak"] != nil && (r.blueprint.OwnAuthority() || b.IssuerCA != "") },
		"ownAuthority":  b.OwnAuthority,
		"vaultSigns":    func() bool { return b.Issuer == blueprint.VaultIssuer && b.Services["vault"] != nil },
		"caBundle":      func() (string, error) { return r.caBundle(c) },
		"platformCA":    func() (string, error) { a, err := c.authority(b.Cluster); return a.Certificate, err },
		"caKey":         func() (string, error) { a, err := c.authority(b.Cluster); return a.Key, err },
		"revision":      func() (string, error) { return r.revision(d) },
		"ldapMappers":   func() []ldapMapper { return ldapMappers },
		"proxies":       r.proxies,
		"ownProxy":      r.ownProxy,
		"oneProxy":      func() bool { return b.RegistryProxy[blueprint.AnyRegistry] != "" },
		"directImages":  r.directImages,
		"oidcClients":   r.oidcClients,
		"helmTimeout":   r.helmTimeout,
		"secret":        func(name string) (string, error) { return c.password(name, 0) },
		"secretOf":      func(length int, name string) (string, error) { return c.password(name, length) },
		"encryptionKey": func(length int, name string) (string, error) { return c.password(name+permanent, length) },
		"strongSecret":  c.strong,
		"bcrypt":        c.bcrypt,
	}).Parse(text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, d); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// host returns a host name of a service: the one that the catalogue calls by the name
// address, or else the first.
func (r *renderer) host(service string, address ...string) (string, error) {
	entry := r.catalogue.Service(service)
	if entry == nil || len(entry.Expose) == 0 {
		return "", fmt.Errorf("service %s has no address", service)
	}
	label := entry.Expose[0].Host
	if len(address) > 0 && address[0] != label {
		return address[0] + "." + r.blueprint.Domain, nil
	}
	if wish := r.blueprint.Services[service]; wish != nil && wish.Host != "" {
		label = wish.Host
	}
	return label + "." + r.blueprint.Domain, nil
}

// helmTimeout returns the time limit of the layer helm: five minutes more than the
// longest time limit of a release.
func (r *renderer) helmTimeout() (string, error) {
	names, err := Services(r.blueprint)
	if err != nil {
		return "", err
	}
	longest := time.Duration(0)
	for _, name := range names {
		if s := r.catalogue.Service(name); s.Chart != nil {
			timeout, err := time.ParseDuration(s.Timeout)
			if err != nil {
				return "", fmt.Errorf("%s: timeout: %w", name, err)
			}
			longest = max(longest, timeout)
		}
	}
	return fmt.Sprintf("%dm", int((longest + 5*time.Minute).Minutes())), nil
}

// ldapMapper says which attribute of the directory a property of Keycloak's users is.
type ldapMapper struct {
	Name, Attribute, Property string
	Mandatory                 bool
}

// ldapMappers have the names that Keycloak gives its own, which it would add otherwise.
var ldapMappers = []ldapMapper{
	{"username", "uid", "username", true},
	{"first name", "givenName", "firstName", false},
	{"last name", "sn", "lastName", true},
	{"email", "mail", "email", false},
}

// revision changes whenever the Secrets of a service do: with what they say, and with each rotation.
func (r *renderer) revision(d data) (string, error) {
	text, err := r.catalogue.Service(d.Release).File("secrets.yaml")
	if err != nil {
		return "", err
	}
	shape, err := r.fill(d.Release+"/secrets", string(text), d, nil)
	if err != nil {
		return "", err
	}
	return digest(shape, []byte(r.credentials.rotations()))[:12], nil
}

// oidcClients are the services that people sign on to by Keycloak.
func (r *renderer) oidcClients() []*catalogue.Service {
	var out []*catalogue.Service
	for _, s := range r.catalogue.Services {
		if s.OIDCClient && r.blueprint.Services[s.Name] != nil {
			out = append(out, s)
		}
	}
	return out
}
