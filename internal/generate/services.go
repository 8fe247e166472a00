package generate

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/kustomize/kyaml/yaml/merge2"

	repotemplate "seatrial.dev/seatrial/repo-template"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
)

// instance is a service, or a component of one, in the repo.
type instance struct {
	entry     *catalogue.Service
	wish      *blueprint.Service // what the blueprint says of it
	release   string
	namespace string
	dependsOn []releaseRef
	database  *catalogue.Database
}

// Services returns the names of all services that the repo of b holds, sorted: those that
// it asks for, those that they require, and cert-manager and contour if any is exposed.
func Services(b *blueprint.Blueprint) ([]string, error) {
	c, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if all[name] {
			return
		}
		all[name] = true
		for _, needed := range c.Service(name).Requires {
			add(needed)
		}
	}
	for name := range b.Services {
		add(name)
		if len(c.Service(name).Expose) > 0 && exposed(b.Services[name]) {
			add("cert-manager")
			add("contour")
		}
	}
	return slices.Sorted(maps.Keys(all)), nil
}

func exposed(s *blueprint.Service) bool { return s == nil || s.Exposed == nil || *s.Exposed }

// services renders all services, and the namespaces and repositories that they share.
func (r *renderer) services() error {
	names, err := Services(r.blueprint)
	if err != nil {
		return err
	}
	namespaces, charts, packages := map[string]string{}, map[string]catalogue.Chart{}, map[string]bool{}
	for _, name := range names {
		for _, s := range r.instances(name) {
			if s.entry.Chart != nil {
				charts[s.entry.Chart.Repository] = *s.entry.Chart
				if level := s.entry.PodSecurity; namespaces[s.namespace] == "" {
					namespaces[s.namespace] = level
				}
			}
			if s.entry.Package != nil {
				packages[s.entry.Package.Repository] = true
			}
			if err := r.service(s); err != nil {
				return fmt.Errorf("%s: %w", s.release, err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(namespaces)) {
		d := r.data(nil)
		d.Name, d.PodSecurity = name, namespaces[name]
		if err := r.render("parts/namespace.yaml", r.source("namespaces", name), d); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(charts)) {
		d := r.data(nil)
		d.Repository, d.URL, d.OCI = name, charts[name].URL, charts[name].OCI()
		if err := r.render("parts/helm-repository.yaml", r.source("helm-prereqs", name), d); err != nil {
			return err
		}
	}
	for _, p := range r.catalogue.PackageRepositories {
		if !packages[p.Name] {
			continue
		}
		d := r.data(nil)
		d.Name, d.Namespace, d.Image, d.DepName = p.Name, r.blueprint.PackagingGlobalNamespace, p.Image+":"+p.Version, p.Image
		if err := r.render("parts/package-repository.yaml", r.source("kapp-prereqs", p.Name), d); err != nil {
			return err
		}
	}
	return nil
}

// instances are a service and the components that it needs.
func (r *renderer) instances(name string) []*instance {
	entry := r.catalogue.Service(name)
	s := &instance{entry: entry, wish: r.blueprint.Services[name], release: name, namespace: entry.Namespace}
	if s.wish == nil {
		s.wish = &blueprint.Service{}
	}
	out := []*instance{s}
	component := func(kind string) {
		part := r.catalogue.Component(kind)
		c := &instance{entry: part, wish: &blueprint.Service{}, release: name + "-" + part.Name, namespace: entry.Namespace, database: entry.Database}
		s.dependsOn = append(s.dependsOn, releaseRef{c.release, c.namespace})
		out = append(out, c)
	}
	if entry.Database != nil {
		component("database")
	}
	if entry.Cache {
		component("cache")
	}
	others := slices.Clone(entry.DependsOn)
	for _, other := range entry.After {
		if r.blueprint.Services[other] != nil {
			others = append(others, other)
		}
	}
	if r.ownProxy() && r.before(s) == "" && entry.Chart != nil {
		others = append(others, harbor)
		for _, c := range out[1:] {
			c.dependsOn = append(c.dependsOn, releaseRef{harbor, r.catalogue.Service(harbor).Namespace})
		}
	}
	for _, other := range others {
		s.dependsOn = append(s.dependsOn, releaseRef{other, r.catalogue.Service(other).Namespace})
	}
	return out
}

// extra are the layers to which a service's folder may add files: those whose names are the
// layer's, with any text after it.
var extra = []string{"secrets", "cluster-essentials", "helm-post", "kapp-post"}

func (r *renderer) service(s *instance) error {
	d := r.data(s)
	for _, layer := range extra {
		files, err := s.entry.Files(layer)
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := s.entry.File(file)
			if err != nil {
				return err
			}
			to := s.release + strings.TrimSuffix(strings.TrimPrefix(file, layer), ".yaml")
			if err := r.keep(s.entry.Name+"/"+file, string(text), r.source(layer, to), d); err != nil {
				return err
			}
		}
	}
	values, err := r.values(s, d)
	if err != nil {
		return err
	}
	if s.entry.Package != nil {
		return r.packaged(s, d, values)
	}
	if err := r.helm(d, values); err != nil {
		return err
	}
	if !exposed(s.wish) || s.entry.Component != "" {
		return nil
	}
	for i, e := range s.entry.Expose {
		if err := r.expose(s, d, e, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// values returns the service's own values, with the blueprint's merged over them.
// Comments are kept.
func (r *renderer) values(s *instance, d data) (string, error) {
	text, err := s.entry.File("values.yaml")
	if err != nil {
		return "", err
	}
	own, err := r.fill(s.entry.Name+"/values.yaml", string(text), d, nil)
	if err != nil {
		return "", err
	}
	wishes := map[string]any{}
	maps.Copy(wishes, s.wish.Values)
	over := []map[string]any{wishes}
	if len(s.wish.Resources) > 0 {
		nested := any(s.wish.Resources)
		keys := strings.Split(s.entry.ResourcesAt, ".")
		for _, key := range slices.Backward(keys) {
			nested = map[string]any{key: nested}
		}
		over = append([]map[string]any{nested.(map[string]any)}, over...)
	}
	out := string(own)
	for _, w := range over {
		if len(w) == 0 {
			continue
		}
		b, err := yaml.Marshal(w)
		if err != nil {
			return "", err
		}
		if out, err = merge2.MergeStrings(string(b), out, false, yaml.MergeOptions{}); err != nil {
			return "", fmt.Errorf("merge the blueprint's values: %w", err)
		}
	}
	return out, nil
}

// helm renders a HelmRelease.
func (r *renderer) helm(d data, values string) error {
	text, err := fs.ReadFile(repotemplate.Files, "parts/release.yaml")
	if err != nil {
		return err
	}
	out, err := r.fill("parts/release.yaml", string(text), d, nil)
	if err != nil {
		return err
	}
	// The values must not be executed as a template: a chart's values may contain
	// template actions of their own.
	return r.put(r.source("helm", d.Release), File{Data: append(out, []byte("  values:\n"+indent(values, 4))...)})
}

// packaged renders a PackageInstall, its values and its ServiceAccount's rights.
func (r *renderer) packaged(s *instance, d data, values string) error {
	rules, err := s.entry.File("rbac.yaml")
	if err != nil {
		return err
	}
	head, err := fs.ReadFile(repotemplate.Files, "parts/package-rbac.yaml")
	if err != nil {
		return err
	}
	if err := r.keep("parts/package-rbac.yaml", string(head)+string(rules), r.source("kapp-prereqs", d.Release+"-rbac"), d); err != nil {
		return err
	}
	if err := r.render("parts/package.yaml", r.source("kapp", d.Release), d); err != nil {
		return err
	}
	d.IndentedValues = strings.TrimRight(indent(values, 4), "\n")
	if err := r.render("parts/package-values.yaml", r.source("kapp", d.Release+"-values"), d); err != nil {
		return err
	}
	if len(d.ProxiedImages) == 0 && d.PodSecurity == "" {
		return nil
	}
	return r.overlay(d)
}

// overlay renders a package's ytt overlay. kapp-controller reads it from a Secret, but it holds no
// secret: encrypted, it could be neither reviewed nor rehearsed without the key. SOPS's rules are
// for .yaml files, so this one is a .yml.
func (r *renderer) overlay(d data) error {
	text, err := fs.ReadFile(repotemplate.Files, "parts/package-overlay.yaml")
	if err != nil {
		return err
	}
	out, err := r.fill("parts/package-overlay.yaml", string(text), d, nil)
	if err != nil {
		return err
	}
	return r.put(strings.TrimSuffix(r.source("kapp", d.Release+"-overlay"), ".yaml")+".yml", File{Data: out})
}

// expose renders the certificate and the route of a host name. main says that it is the
// service's first one.
func (r *renderer) expose(s *instance, d data, e catalogue.Exposure, main bool) error {
	d.Name = e.Host
	if main {
		d.Name = s.release
	}
	if e.Issuer != "" {
		d.Issuer = e.Issuer
	}
	layer := "helm-post"
	if r.ownProxy() && s.entry.Name == harbor {
		// The releases wait for Harbor, so its route can't wait for them, nor its certificate for a human.
		layer, d.Issuer = "kapp-post", blueprint.BootstrapIssuer
	}
	var err error
	if d.FQDN, err = r.host(s.entry.Name, e.Host); err != nil {
		return err
	}
	d.Exposure, d.Routes = e, append(slices.Clone(e.Routes), catalogue.Route{Prefix: "/", Port: e.Port})
	return r.render("parts/exposure.yaml", r.source(layer, d.Name), d)
}

func indent(text string, by int) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			out.WriteString(strings.Repeat(" ", by))
		}
		out.WriteString(line)
	}
	return out.String()
}
