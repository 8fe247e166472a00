package generate

import (
	"strings"
	"testing"
)

// What the real charts and servers need, or would break without anybody being told: each was
// found by rendering the real chart with the generated values, or in its documentation.
func TestWhatRealChartsNeed(t *testing.T) {
	files := render(t, full(t))
	for _, c := range []struct{ what, file, has, hasNot string }{
		{"vibhuvioio's chart was withdrawn", "helm/openldap.yaml", "chart: openldap-stack-ha\n      version: 4.3.3 ", ""},
		{"its repository", "helm-prereqs/jp-gouin.yaml", "url: https://jp-gouin.github.io/helm-openldap\n", ""},
		{"images of no version", "helm/openldap.yaml", "tag: 13.1-slim", "latest"},
		{"the directory's tree is what its clients search", "helm/openldap.yaml", "dn: ou=groups,dc=services,dc=my-domain,dc=com", ""},
		{"the keys that the chart mounts", "secrets/openldap.yaml", "LDAP_ADMIN_PASSWORD: ", "admin-password"},
		{"a plugin version that exists", "helm/jenkins.yaml", "ldap:807.809.vd3a_4e5e4ec98", "v28f90fdb"},
		{"createSecret: false would mount no credentials", "helm/jenkins.yaml", "existingSecret: jenkins-credentials", "createSecret"},
		{"agents through the proxy", "helm/jenkins.yaml", "agent:\n      image:\n        registry: harbor.platform.my-domain.com/dh-proxy\n", ""},
		{"GitLab's locks", "helm/gitlab-postgresql.yaml", "args:\n    - -c\n    - max_locks_per_transaction=256\n", ""},
		{"only GitLab's", "helm/harbor-postgresql.yaml", "", "args:"},
		{"SonarQube's groups", "helm/sonarqube.yaml", "ldap.group.baseDn: ou=groups,dc=services,dc=my-domain,dc=com", ""},
		{"the kind of groups that the directory has", "helm/sonarqube.yaml", "ldap.group.request: (&(objectClass=groupOfNames)(member={dn}))", ""},
		{"SonarQube after the directory", "helm/sonarqube.yaml", "  - name: openldap\n    namespace: openldap\n", ""},
		{"SonarQube binds as the directory's administrator", "helm/sonarqube.yaml", "ldap.bindDn: cn=admin,dc=", "cn=Manager"},
		{"registry clients can't reach MinIO inside the cluster", "helm/gitlab.yaml", "redirect:\n          disable: true\n", ""},
		{"a MinIO of its own", "helm/gitlab.yaml", "minio:\n        enabled: false", ""},
		{"Harbor's images, as the chart writes them", "helm/harbor.yaml", "name: docker.io/goharbor/harbor-core\n        newName: harbor.platform.my-domain.com/dh-proxy/goharbor/harbor-core\n", ""},
		{"Harbor's connections", "helm/harbor.yaml", "maxOpenConns: 45", ""},
		{"Valkey's volume is mounted once", "helm/gitlab-valkey.yaml", "deploymentStrategy: Recreate", ""},
		{"Vault's agent through the proxy", "helm/vault.yaml", "repository: harbor.platform.my-domain.com/dh-proxy/hashicorp/vault\n", ""},
		{"Vault on fewer than three nodes", "helm/vault.yaml", "preferredDuringSchedulingIgnoredDuringExecution", "requiredDuring"},
		{"kubectl by way of GitLab's agent server", "helm-post/gitlab-kas.yaml", "- prefix: /k8s-proxy/\n    enableWebsockets: true\n    services:\n    - name: gitlab-kas\n      port: 8154\n  - conditions:\n    - prefix: /\n", ""},
		{"groups decide who administers Harbor", "secrets/harbor.yaml", `"oidc_admin_group":"platform-admins"`, ""},
		{"and Grafana", "helm/grafana.yaml", "role_attribute_path: contains(groups[*], 'platform-admins')", ""},
		{"a realm that exists is not imported again", "helm/keycloak.yaml", "args: [start, --http-port=8080]", "import-realm"},
		{"a package would take a label away", "kapp/contour.yaml", "ytt-paths-from-secret-name.0: contour-overlay", ""},
		{"so its overlay gives it", "kapp/contour-overlay.yml", "pod-security.kubernetes.io/enforce: #@ \"privileged\"", ""},
	} {
		text := string(files[sources+c.file].Data)
		if !strings.Contains(text, c.has) || c.hasNot != "" && strings.Contains(text, c.hasNot) {
			t.Errorf("%s: %s has no %q, or has %q:\n%s", c.what, c.file, c.has, c.hasNot, text)
		}
	}
	for _, namespace := range []string{"gitea", "gitlab", "harbor", "jenkins", "keycloak", "minio", "nexus", "openldap", "sonarqube", "trivy", "vault"} {
		if text := string(files[sources+"namespaces/"+namespace+".yaml"].Data); !strings.Contains(text, "pod-security.kubernetes.io/enforce: baseline\n") {
			t.Errorf("namespace %s:\n%s", namespace, text)
		}
	}
	if images := load(t).Service("gitlab").Images; !strings.Contains(strings.Join(images, " "), "cng/gitlab-shell ") {
		t.Errorf("gitlab-shell has GitLab's version: %v", images)
	}
}
