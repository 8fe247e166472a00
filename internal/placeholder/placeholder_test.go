package placeholder

import (
	"crypto/tls"
	"encoding/base64"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/crypto/ssh"
)

// scanned are the places of a tree with one file.
func scanned(t *testing.T, text string) map[string][]Place {
	t.Helper()
	places, err := Places(fstest.MapFS{"a.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return places
}

func TestWhereAVariableLandsDecides(t *testing.T) {
	const (
		ip, cidr, host, name = `192\.0\.2\.\d+`, `198\.51\.100\.\d+/28`, `[a-z0-9-]+\.seatrial-placeholder\.example`, `seatrial-placeholder-[a-z0-9-]+`
		port                 = `2\d{4}`
	)
	for text, want := range map[string]string{
		"kind: Service\nspec: {ports: [{port: '${X}'}]}":                            port,
		"kind: Service\nspec: {ports: [{nodePort: '${X}'}]}":                        `3[0-2]\d{3}`,
		"kind: Deployment\nspec: {replicas: '${X}'}":                                "1",
		"kind: Deployment\nspec: {replicas: '${X:=3}'}":                             "1",
		"a: {runAsUser: '${APP_UID_WEB}'}":                                          "1",
		"a: {resources: {requests: {cpu: '${X:=50m}', memory: '64Mi'}}}":            "100m",
		"a: {resources: {requests: {storage: '${X}'}}}":                             "1Gi",
		"kind: Kustomization\nspec: {suspend: '${X}'}":                              "false",
		"values: {ingress: {enabled: '${X}'}}":                                      "true",
		"kind: Kustomization\nspec: {interval: '${X}'}":                             "1h",
		"kind: CronJob\nspec: {schedule: '${X}'}":                                   `0 0 \* \* \*`,
		"kind: Service\nspec: {loadBalancerIP: '${X}'}":                             ip,
		"kind: Service\nspec: {loadBalancerSourceRanges: ['${X}']}":                 cidr,
		"a: {gateway: '${IP_ROUTER}'}":                                              ip,
		"a: ['${IP_POD_CIDR_V4}']":                                                  cidr,
		"a: ['${IP_OF_ME:=127.0.0.1/32}']":                                          cidr,
		"a: ['${X:-10.0.0.1}']":                                                     ip,
		"a: {cidr: '${IP_NAS}/32'}":                                                 ip,
		"a: '${NET}.17'":                                                            `192\.0\.2`,
		"a: '${NET}.17/24'":                                                         `192\.0\.2`,
		"a: '${NET}.3.17'":                                                          `198\.51`,
		"a: '${IP_PREFIX}17'":                                                       `192\.0\.2\.`,
		"a: '10.0.0.1-${X}'":                                                        ip,
		"kind: HTTPRoute\nspec: {hostnames: ['web.${X}']}":                          host,
		"kind: HTTPRoute\nspec: {hostnames: ['${SECRET_DOMAIN}']}":                  host,
		"kind: HTTPRoute\nspec: {hostnames: ['${DNS_AUTH:=auth}']}":                 host,
		"a: {match: 'Host(`web.${X}`)'}":                                            host,
		"a: {commonName: '${DNS_MAIN}'}":                                            host,
		"a: {server: '${IP_NAS}'}":                                                  ip,
		"a: {url: 'https://${X}/x'}":                                                host,
		"a: {url: 'https://x:${X}/x'}":                                              port,
		"a: {url: '${X}'}":                                                          "https://" + host,
		"a: {b: '${API_URL}/v1'}":                                                   "https://" + host,
		"a: {b: '${NAS_DIR}/media'}":                                                "/" + name,
		"kind: ClusterIssuer\nspec: {acme: {email: '${X}'}}":                        "mail@" + host,
		"a: 'mailto:admin@${X}'":                                                    host,
		"metadata: {name: '${X}'}":                                                  name,
		"metadata: {name: 'a-${X}-b'}":                                              name,
		"metadata: {annotations: {port: '${PORT}'}}":                                name, // a number would be refused
		"a: {env: [{name: A, value: '${PORT}'}]}":                                   name,
		"kind: ConfigMap\ndata: {port: '${PORT}'}":                                  name,
		"kind: ConfigMap\ndata: {x.yaml: \"a:\\n  port: ${X}\\n\"}":                 port,
		"kind: ConfigMap\ndata: {x.ini: \"[a]\\n# ports\\nlisten_port = ${X}\\n\"}": port,
		"a: {tz: '${X}'}":                                                           "Etc/UTC",
		"a: {mac: '${X}'}":                                                          `02:00:5e:00:53:[0-9a-f]{2}`,
		"a: {uuid: '${X}'}":                                                         `5ea7f1a1-0000-4000-8000-[0-9a-f]{12}`,
		"a: '${X:=6ba7b810-9dad-11d1-80b4-00c04fd430c8}'":                           `5ea7f1a1-0000-4000-8000-[0-9a-f]{12}`,
		"kind: Secret\ndata: {a: '${X}'}":                                           base64.StdEncoding.EncodeToString([]byte(Mark)),
		"kind: ValidatingWebhookConfiguration\nwebhooks: [{clientConfig: {caBundle: '${X}'}}]": `LS0tLS1CRUdJTi[\w+/=]+`,
		"a: {password: '${X}'}": name,
		"a: [\nport: ${X}\n":    port, // does not parse
		"kind: HelmRelease\nspec: {valuesFrom: [{kind: Secret, name: s, valuesKey: X}]}":                            `\{\}`,
		"kind: HelmRelease\nspec: {valuesFrom: [{kind: Secret, name: s, valuesKey: X, targetPath: 'a.b[0].port'}]}": port,
	} {
		places := scanned(t, text)
		if len(places) != 1 {
			t.Errorf("%s: places of %d variables", text, len(places))
		}
		for variable, at := range places {
			got := Value(variable, at)
			if !regexp.MustCompile(`^(?:` + want + `)$`).MatchString(got) {
				t.Errorf("%s: got %q, want %s", text, got, want)
			}
			if got != Value(variable, at) {
				t.Errorf("%s: differs from time to time", text)
			}
			if len(got) > 64 && !strings.HasPrefix(got, "LS0t") || strings.Contains(got, "\n") {
				t.Errorf("%s: %q does not fit into a document", text, got)
			}
		}
	}
}

func TestWhatIsNoVariable(t *testing.T) {
	for _, text := range []string{"a: '$${X}'", "a: '$X'", "a: ${}", "a: b"} {
		if places := scanned(t, text); len(places) > 0 {
			t.Errorf("%s: got %+v", text, places)
		}
	}
}

func TestKeysDecideWithoutAPlace(t *testing.T) {
	for key, want := range map[string]string{
		"password": "^seatrial-placeholder$", "MAIL_PASSWORD": "^seatrial-placeholder$", "API_TOKEN": "^seatrial-placeholder$", "": "^seatrial-placeholder$",
		"tls.crt": "BEGIN CERTIFICATE", "ca.crt": "BEGIN CERTIFICATE", "certs/web.sops.pem": "BEGIN CERTIFICATE", "tls.key": "BEGIN PRIVATE KEY", "identity": "BEGIN PRIVATE KEY", "id_ed25519": "BEGIN PRIVATE KEY",
		"identity.pub": "^ecdsa-sha2-nistp256 ", "known_hosts": `^\* ecdsa-sha2-nistp256 `, ".dockerconfigjson": `^\{"auths":`, "config.json": `^\{\}$`, "values.sops.yaml": `^\{\}$`,
		"kubeconfig": "kind: Config", "htpasswd": `^seatrial-placeholder:\{SHA\}`, "nginx.conf": "^# ", "DB_HOST": `^db-host\.`, "DB_PORT": `^2\d{4}$`, "SMTP_FROM_EMAIL": "^mail@", "issuer-url": "^https://",
	} {
		if got := Value(key, nil); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: got %q, want %s", key, got, want)
		}
	}
}

func TestFormsAreWhatProgramsRead(t *testing.T) {
	if _, err := tls.X509KeyPair([]byte(render(Certificate, "")), []byte(render(PrivateKey, ""))); err != nil {
		t.Error(err)
	}
	if _, err := ssh.ParsePrivateKey([]byte(render(PrivateKey, ""))); err != nil {
		t.Error(err)
	}
	if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(render(PublicKeySSH, ""))); err != nil {
		t.Error(err)
	}
	if _, _, _, _, _, err := ssh.ParseKnownHosts([]byte(render(KnownHosts, ""))); err != nil {
		t.Error(err)
	}
	for i := range 500 {
		name := strings.Repeat("x", i)
		if p, err := netip.ParsePrefix(render(CIDR, name)); err != nil || p.Masked() != p {
			t.Errorf("%s: %v", render(CIDR, name), err)
		}
		for _, ip := range append(strings.Split(render(IPRange, name), "-"), render(IP, name)) {
			if _, err := netip.ParseAddr(ip); err != nil {
				t.Error(err)
			}
		}
	}
}

// A hostile tree does not take much time or memory.
func TestPlacesAreBounded(t *testing.T) {
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	many := strings.Repeat("- ${X}\n- x${X}\n", 1000)
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,'${X}']\n"
	for _, text := range []string{"a: '${X}'\nb: " + deep, many, bomb, "\x00${X}", "a: &a [*a, '${X}']"} {
		if n := len(scanned(t, text)["X"]); n > maxPlaces {
			t.Errorf("%d places", n)
		}
	}
}

func TestBlamed(t *testing.T) {
	s := &Set{}
	if _, blamed := s.Blamed("Service/a/b", "seatrial-placeholder"); blamed {
		t.Error("nothing was made")
	}
	s.Add(Made{Value: "web.seatrial-placeholder.example", Name: "WEB", File: "s.yaml", Secret: "flux-system/settings"})
	s.Add(Made{Value: "20123", Name: "PORT", File: "s.yaml", Places: []Place{{Object: "Service/web/web", Path: "spec.ports[0].port", Text: "${PORT}"}}})
	s.Add(Made{Value: "{}", Name: "values.yaml", Secret: "web/values", Places: []Place{{Object: "HelmRelease/web/web", Path: "spec.valuesFrom[0]", From: "Secret/values"}}})
	s.Add(Made{Value: Mark, Name: "password", Secret: "web/login"})
	for _, c := range []struct {
		object, said string
		want         string
	}{
		{"Ingress/web/web", `Ingress "web" is invalid: spec.rules[0].host: Invalid value: "a.web.seatrial-placeholder.example": too long`, "WEB"},
		{"Ingress/web/web", `lookup myweb.seatrial-placeholder.example: no such host`, "password"},
		{"Service/web/web", `spec.ports[0].port: Invalid value: 20123: must be lower`, "PORT"},
		{"Service/web/other", `spec.ports[0].port: Invalid value: 20123: must be lower`, ""},
		{"Service/web/web", `took 20123 ms`, ""},
		{"Service/web/web", `.spec.ports[name="x"].port: expected numeric (int or float), got string`, "PORT"},
		{"Service/web/web", `spec.type: Unsupported value: "x"`, ""},
		{"HelmRelease/web/web", `execution error at (web/templates/a.yaml:1:3): host is required`, "values.yaml"},
		{"HelmRelease/web/web", `timed out waiting for the condition`, ""},
		{"HelmRelease/web/other", `execution error at (web/templates/a.yaml:1:3): host is required`, ""},
		{"GitRepository/web/x", `failed to parse Secret 'web/login': no PEM data`, "password"},
		{"GitRepository/web/x", `failed to get secret 'web/login': secrets "login" not found`, ""},
		{"GitRepository/web/x", `secrets "login" is forbidden: User "a" cannot get resource`, ""},
	} {
		got, blamed := s.Blamed(c.object, c.said)
		if got.Name != c.want || blamed != (c.want != "") {
			t.Errorf("%s: %s: got %q, want %q", c.object, c.said, got.Name, c.want)
		}
	}
}
