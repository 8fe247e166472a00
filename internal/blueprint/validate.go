package blueprint

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/strict"
)

var (
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	domain    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$`)
	registry  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]+)?$`)
	proxy     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9._-]+)*$`)
	word      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// validate checks what the Go types don't express: the form of names and addresses, the
// allowed words, and fields that depend on each other.
func (r *reader) validate(b *Blueprint) {
	if b.APIVersion != APIVersion {
		r.At("apiVersion", fmt.Sprintf("got %q", b.APIVersion), "write apiVersion: "+APIVersion)
	}
	if b.Kind != Kind {
		r.At("kind", fmt.Sprintf("got %q", b.Kind), "write kind: "+Kind)
	}
	for _, f := range []struct {
		key, value, want string
		ok               *regexp.Regexp
		optional         bool
	}{
		{"cluster", b.Cluster, "a DNS label such as services", label, false},
		{"domain", b.Domain, "a domain such as services.my-domain.com", domain, false},
		{"packagingGlobalNamespace", b.PackagingGlobalNamespace, "a namespace such as tkg-system", label, false},
		{"issuer", b.Issuer, "a name such as vault-issuer", subdomain, false},
		{"storageClass", b.StorageClass, "the name of a StorageClass, or nothing for the cluster's default", subdomain, true},
		{"git.owner", b.Git.Owner, "the owner's name at the Git provider", word, false},
		{"git.repository", b.Git.Repository, "the repository's name", word, false},
		{"git.branch", b.Git.Branch, "a branch such as main", word, false},
	} {
		if !f.ok.MatchString(f.value) && !(f.optional && f.value == "") {
			r.At(f.key, fmt.Sprintf("got %q", f.value), "write "+f.want)
		} else if ambiguous(f.value) {
			r.At(f.key, fmt.Sprintf("got %q, which the generated YAML would read as something else than a text", f.value), "choose a name that starts with a letter and is no number, date or truth value")
		}
	}
	r.OneOf("flavour", b.Flavour, TKG2, Generic)
	r.OneOf("git.provider", b.Git.Provider, "github", "gitlab", "gitea", "generic")
	if b.Path != "" && (path.IsAbs(b.Path) || path.Clean(b.Path) != b.Path || strings.HasPrefix(b.Path, "..") || !word.MatchString(b.Path)) {
		r.At("path", fmt.Sprintf("got %q", b.Path), "write a folder of the repo such as platforms/clusters/services")
	}
	r.validateProxies("registryProxy", b.RegistryProxy)
	r.validateProxies("registryProxies", b.RegistryProxies)
	if s := b.Services["harbor"]; s != nil && s.Exposed != nil && !*s.Exposed {
		own := cmp.Or(s.Host, "harbor") + "." + b.Domain
		for _, p := range b.Proxies() {
			if first, _, _ := strings.Cut(p, "/"); first == own {
				r.At("services.harbor.exposed", "images are to be pulled through "+own+", to which nothing leads then", "remove it, or name another registry in registryProxy")
			}
		}
	}
	if b.IssuerCA != "" {
		if b.OwnAuthority() {
			r.At("issuerCA", fmt.Sprintf("the authority behind %s is generated", b.Issuer), "remove it, or name your own issuer under issuer")
		} else if block, _ := pem.Decode([]byte(b.IssuerCA)); block == nil || block.Type != "CERTIFICATE" {
			r.At("issuerCA", "it holds no PEM certificate", "write the authority's certificates: -----BEGIN CERTIFICATE-----…")
		}
	}
	for i, recipient := range b.Recipients {
		if strings.Contains(strings.ToUpper(recipient), "SECRET-KEY") {
			r.At(fmt.Sprintf("recipients.%d", i), "this is a private key", "remove it, make a new one, and write the recipient: age1…, as age-keygen -y prints it")
		} else if _, err := age.ParseRecipients(bytes.NewReader([]byte(recipient))); err != nil {
			r.At(fmt.Sprintf("recipients.%d", i), fmt.Sprintf("%q is not an age recipient", recipient), "write age1…, as seatrial secrets keygen and age-keygen -y print it")
		}
	}
	if b.Promotion != nil {
		b.Promotion.Complete(r.Reader)
	}
	r.validateEssentials(b)
	r.validateServices(b)
}

// ambiguous says whether YAML would read a bare text as a number, a date, a truth value or nothing.
func ambiguous(text string) bool {
	if text == "" {
		return false
	}
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off":
		return true // YAML 1.1 reads these as booleans
	}
	var v any
	err := yaml.Unmarshal([]byte(text), &v)
	_, isText := v.(string)
	return err != nil || !isText
}

// validateProxies checks the proxies under a key of the blueprint, by the upstream registry's host.
func (r *reader) validateProxies(key string, proxies map[string]string) {
	for host, p := range proxies {
		at := strings.TrimSuffix(key+"."+host, ".")
		first, _, _ := strings.Cut(p, "/")
		if !proxy.MatchString(p) || ambiguous(p) || !strings.ContainsAny(first, ".:") && first != "localhost" {
			r.At(at, fmt.Sprintf("got %q", p), "write a registry and a project, such as harbor.services.my-domain.com/dh-proxy, without https://")
		}
		switch {
		case host == AnyRegistry:
		case host == "index.docker.io", host == "registry-1.docker.io":
			r.At(at, "no image is named so", "write docker.io")
		case !registry.MatchString(host):
			r.At(at, fmt.Sprintf("%q is not a registry's host", host), "write the host that images are named with, such as docker.io or quay.io")
		}
	}
}

func (r *reader) validateEssentials(b *Blueprint) {
	for key, m := range map[string]*Manifest{
		"kappController": b.ClusterEssentials.KappController, "secretgenController": b.ClusterEssentials.SecretgenController,
	} {
		key = "clusterEssentials." + key
		switch {
		case m == nil && b.Flavour == Generic:
			r.At(key, "missing, and a generic cluster has none", "give a file, or a url and its sha256, of the release manifest")
		case m == nil:
		case b.Flavour == TKG2:
			r.At(key, "a tkg-2 cluster has it already", "remove it, or write flavour: generic")
		case (m.File == "") == (m.URL == ""):
			r.At(key, "want either file or url", "keep one of them")
		case m.URL != "":
			if u, err := url.Parse(m.URL); err != nil || u.Scheme != "https" || u.Host == "" {
				r.At(key+".url", fmt.Sprintf("got %q", m.URL), "write an https URL")
			}
			if !sha256Hex.MatchString(m.SHA256) {
				r.At(key+".sha256", fmt.Sprintf("got %q", m.SHA256), "write the 64 hexadecimal digits that sha256sum prints for the file")
			}
		}
	}
}

func (r *reader) validateServices(b *Blueprint) {
	c, err := catalogue.Load()
	if err != nil {
		r.Problem(1, err.Error(), "this is a defect of seatrial")
		return
	}
	if len(b.Services) == 0 {
		r.At("services", "the blueprint asks for no service", "name at least one of "+strings.Join(c.Names(), ", "))
	}
	hosts := map[string]string{}
	charts := 0
	for _, name := range slices.Sorted(maps.Keys(b.Services)) {
		s, key := b.Services[name], "services."+name
		entry := c.Service(name)
		if entry == nil || entry.Component != "" {
			r.At(key, "there is no such service", strict.Meant(name, c.Names()))
			continue
		}
		if entry.Chart != nil {
			charts++
		}
		if s.Version != "" {
			if _, err := semver.StrictNewVersion(s.Version); err != nil {
				r.At(key+".version", fmt.Sprintf("got %q", s.Version), "write an exact version such as "+version(entry))
			}
		}
		if s.Host != "" && !label.MatchString(s.Host) {
			r.At(key+".host", fmt.Sprintf("got %q", s.Host), "write a DNS label: the domain is added to it")
		}
		if s.Host != "" && len(entry.Expose) == 0 {
			r.At(key+".host", "the service has no address outside the cluster", "remove it")
		}
		for _, needed := range entry.Requires {
			if _, ok := b.Services[needed]; !ok && c.Service(needed).Package == nil {
				r.At(key, "needs "+needed, "add "+needed+": {} to services")
			}
		}
		for i, e := range entry.Expose {
			host := e.Host
			if i == 0 && s.Host != "" {
				host = s.Host
			}
			if other, taken := hosts[host]; taken && other != name {
				r.At(key+".host", fmt.Sprintf("%s has the host name %s, too", other, host), "give one of them another host")
			}
			hosts[host] = name
		}
	}
	if charts == 0 && len(b.Services) > 0 {
		r.At("services", "no service of a Helm chart is among them", "name one that is: cert-manager and contour come with every exposed service")
	}
}

// version is that of a service's chart or package.
func version(s *catalogue.Service) string {
	if s.Chart != nil {
		return s.Chart.Version
	}
	return s.Package.Version
}
