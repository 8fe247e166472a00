package generate

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/blueprint"
)

// secretsIn returns the texts of all Secrets in a rendered file, by name/key.
func secretsIn(t *testing.T, f File) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, doc := range strings.Split("\n"+string(f.Data), "\n---\n") {
		var s struct {
			Metadata   struct{ Name string }
			StringData map[string]string
		}
		if err := yaml.Unmarshal([]byte(doc), &s); err != nil {
			t.Fatal(err)
		}
		for key, v := range s.StringData {
			out[s.Metadata.Name+"/"+key] = v
		}
	}
	return out
}

// Services that talk to Keycloak trust what the bootstrap issuer, and a Vault that is set up
// as docs/vault.md says, sign with.
func TestServicesTrustTheIssuerOfKeycloaksCertificate(t *testing.T) {
	b := full(t)
	credentials := NewCredentials()
	files, err := Render(b, credentials, nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer := secretsIn(t, files[sources+"kapp-post/cert-manager-secrets.yaml"])
	pair, err := tls.X509KeyPair([]byte(issuer["platform-ca/tls.crt"]), []byte(issuer["platform-ca/tls.key"]))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil || !ca.IsCA || ca.NotAfter.Before(time.Now().AddDate(9, 0, 0)) || ca.CheckSignatureFrom(ca) != nil {
		t.Errorf("%v %+v", err, ca)
	}
	for _, service := range []string{"harbor", "grafana", "gitlab"} {
		if got := secretsIn(t, files[sources+"secrets/"+service+".yaml"])["platform-ca/ca.crt"]; got != issuer["platform-ca/tls.crt"] {
			t.Errorf("%s trusts %q", service, got)
		}
		if f := files[sources+"secrets/"+service+".yaml"]; strings.Contains(string(f.Shape), "BEGIN") {
			t.Errorf("the shape of %s holds the certificate", service)
		}
	}
	for name, want := range map[string]string{
		"helm/harbor.yaml": "caBundleSecretName: platform-ca", "helm/grafana.yaml": "tls_client_ca: /etc/secrets/platform-ca/ca.crt", "helm/gitlab.yaml": "- secret: platform-ca",
		"kapp-post/cert-manager.yaml": "secretName: platform-ca",
	} {
		if !strings.Contains(string(files[sources+name].Data), want) {
			t.Errorf("%s: no %q", name, want)
		}
	}
	// It stays when everything else is drawn anew.
	again, err := Render(b, credentials.Rotated(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := secretsIn(t, again[sources+"kapp-post/cert-manager-secrets.yaml"]); got["platform-ca/tls.key"] != issuer["platform-ca/tls.key"] || got["platform-ca/tls.crt"] != issuer["platform-ca/tls.crt"] {
		t.Error("a rotation made another authority")
	}
}

// Behind an issuer of the owner's own there is an authority that only the owner knows.
func TestAuthorityOfAnotherIssuer(t *testing.T) {
	b := blueprint.Default()
	b.Services["keycloak"] = &blueprint.Service{}
	if text := string(render(t, b)[sources+"helm/harbor.yaml"].Data); !strings.Contains(text, "caBundleSecretName: platform-ca") {
		t.Error("with the bootstrap issuer and no Vault, Harbor does not trust Keycloak")
	}
	b.Issuer = "letsencrypt"
	files := render(t, b)
	if text := string(files[sources+"helm/harbor.yaml"].Data); strings.Contains(text, "caBundle") {
		t.Error(text)
	}
	b.Services["vault"] = &blueprint.Service{}
	if text := string(render(t, b)[sources+"kapp-post/cert-manager.yaml"].Data); strings.Contains(text, "name: letsencrypt") || !strings.Contains(text, "letsencrypt, is not made here") {
		t.Errorf("an issuer of the owner's own is overwritten:\n%s", text)
	}
	b.IssuerCA = newAuthorityText(t)
	files = render(t, b)
	if got := secretsIn(t, files[sources+"secrets/harbor.yaml"])["platform-ca/ca.crt"]; strings.TrimSpace(got) != strings.TrimSpace(b.IssuerCA) {
		t.Errorf("got %q", got)
	}
}

func newAuthorityText(t *testing.T) string {
	t.Helper()
	a, err := newAuthority("other")
	if err != nil {
		t.Fatal(err)
	}
	return a.Certificate
}

// SonarQube refuses passwords that don't have all four, and then keeps admin/admin.
func TestStrongCredentials(t *testing.T) {
	for range 200 {
		c := NewCredentials()
		v, err := c.strong("a")
		if err != nil || len(v) < 12 || !strings.ContainsAny(v, "-_") || !strings.ContainsAny(v, "0123456789") || strings.ToLower(v) == v || strings.ToUpper(v) == v {
			t.Fatalf("%q %v", v, err)
		}
		if again, _ := c.strong("a"); again != v {
			t.Errorf("%q, then %q", v, again)
		}
	}
	c := NewCredentials()
	c.values["old"] = "pAlllettersAnd1Digit"
	if v, _ := c.strong("old"); v != "pAlllettersAnd1Digit-A1a" {
		t.Error(v)
	}
	// A file with a weak one has another shape, so it is not left as it is.
	var names *Credentials
	weak, _ := names.password("a", 0)
	if strong, err := names.strong("a"); err != nil || strong == weak {
		t.Errorf("%v: the shape is %s for both", err, strong)
	}
	if b := full(t); !strings.Contains(string(mustFile(t, "sonarqube", "secrets.yaml")), "strongSecret") || b == nil {
		t.Error("SonarQube's is not one")
	}
}

func mustFile(t *testing.T, service, name string) []byte {
	t.Helper()
	b, err := load(t).Service(service).File(name)
	if err != nil || b == nil {
		t.Fatal(err)
	}
	return b
}

// The Job that imports the realm runs anew when a client is added, and after a rotation.
func TestRealmIsImportedAnewWhenItChanges(t *testing.T) {
	b := blueprint.Default()
	b.Services["keycloak"] = &blueprint.Service{}
	job := func(c *Credentials) string {
		files, err := Render(b, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(files[sources+"helm-post/keycloak-realm.yaml"].Data)
	}
	credentials := NewCredentials()
	first := job(credentials)
	if again := job(credentials); again != first {
		t.Error("it changes by itself")
	}
	if other := job(NewCredentials()); other != first {
		t.Error("it depends on the credentials' values")
	}
	if rotated := job(credentials.Rotated()); rotated == first {
		t.Error("after a rotation, Keycloak keeps the old secrets")
	}
	b.Services["grafana"] = &blueprint.Service{}
	if more := job(credentials); more == first {
		t.Error("a new client is not imported")
	}
}

// The realm is JSON, with the directory as its users and a client for each service that signs on.
func TestRealm(t *testing.T) {
	files := render(t, full(t))
	var realm struct {
		Clients    []struct{ ClientID, Secret string }
		Components map[string][]struct {
			Config        map[string][]string
			SubComponents map[string][]struct{ Name string }
		}
	}
	text := secretsIn(t, files[sources+"secrets/keycloak.yaml"])["keycloak-realm/realm.json"]
	if err := yaml.Unmarshal([]byte(text), &realm); err != nil || len(realm.Clients) != 3 {
		t.Fatalf("%v %s", err, text)
	}
	federation := realm.Components["org.keycloak.storage.UserStorageProvider"]
	if len(federation) != 1 || federation[0].Config["bindDn"][0] != "cn=admin,dc=services,dc=my-domain,dc=com" || len(federation[0].SubComponents["org.keycloak.storage.ldap.mappers.LDAPStorageMapper"]) != 5 {
		t.Errorf("%+v", federation)
	}
	if bind := secretsIn(t, files[sources+"secrets/openldap.yaml"])["openldap-credentials/LDAP_ADMIN_PASSWORD"]; bind == "" || federation[0].Config["bindCredential"][0] != bind {
		t.Error("Keycloak can't bind to the directory")
	}
}
