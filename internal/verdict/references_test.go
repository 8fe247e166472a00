package verdict

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/live/livetest"
)

// deployment returns a live Deployment in namespace web with a pod spec.
func deployment(labels, spec string) string {
	return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: web}
spec: {template: {metadata: {labels: {` + labels + `}}, spec: {` + spec + `}}}
status: {observedGeneration: 0, replicas: 1, readyReplicas: 1, updatedReplicas: 1, availableReplicas: 1, conditions: [{type: Available, status: "True"}]}
`
}

func reads(kind, name, key, more string) string {
	return `containers: [{name: a, env: [{name: A, valueFrom: {` + kind + `KeyRef: {name: ` + name + `, key: ` + key + more + `}}}]}]`
}

const (
	secret   = "apiVersion: v1\nkind: Secret\nmetadata: {name: web-credentials, namespace: web}\ndata: {password: ''}\n"
	bundle   = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: trusted-ca, namespace: web}\n"
	imported = "apiVersion: secretgen.carvel.dev/v1alpha1\nkind: SecretImport\nmetadata: {name: pull, namespace: web}\nspec: {fromNamespace: default}\n"
	operated = "apiVersion: kibana.k8s.elastic.co/v1\nkind: Kibana\nmetadata: {name: quickstart, namespace: web}\nspec: {count: 1}\n"
	service  = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: web}\nspec: {ports: [{name: http, port: 80}]}\n"
	job      = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: init, namespace: web}\nspec: {template: {spec: {}}}\n"
	external = "apiVersion: v1\nkind: Service\nmetadata: {name: away, namespace: web}\nspec: {type: ExternalName, externalName: example.org}\n"
)

func proxyTo(service, port string) string {
	return "apiVersion: projectcontour.io/v1\nkind: HTTPProxy\nmetadata: {name: web, namespace: web}\nspec: {routes: [{services: [{name: " + service + ", port: " + port + "}]}]}\n"
}

func ingressTo(service, port string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: web}\nspec: {rules: [{http: {paths: [{backend: {service: {name: " + service + ", port: {" + port + "}}}}]}}]}\n"
}

// makes is a Job whose container has some fields.
func makes(container, meta string) string {
	return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: certgen, namespace: web" + meta + "}\nspec: {template: {spec: {containers: [{name: a, " + container + "}]}}}\n"
}

func TestReferences(t *testing.T) {
	for name, c := range map[string]struct {
		objects   []string
		inventory string // further entries, in addition to the Deployment
		want      finding.Code
		severity  finding.Severity
		says      string
		spot      string // a blind spot
	}{
		"a key that is there":                   {objects: []string{secret, deployment("", reads("secret", "web-credentials", "password", ""))}},
		"a key that is not there":               {objects: []string{secret, deployment("", reads("secret", "web-credentials", "passwrd", ""))}, want: finding.SecretKeyMissing, severity: finding.Error, says: "key passwrd of Secret web-credentials"},
		"an optional key":                       {objects: []string{secret, deployment("", reads("secret", "web-credentials", "passwrd", ", optional: true"))}},
		"a Secret that is missing":              {objects: []string{deployment("", reads("secret", "nobody-makes-this", "a", ""))}, want: finding.SecretKeyMissing, severity: finding.Error, says: "does not exist"},
		"a misspelt Secret":                     {objects: []string{secret, deployment("", reads("secret", "web-credential", "password", ""))}, want: finding.SecretKeyMissing, severity: finding.Error, says: "web-credential"},
		"a Secret to be imported":               {objects: []string{imported, deployment("seatrial.dev/stand-in: web", reads("secret", "pull", "a", ""))}, inventory: "{id: web_pull_secretgen.carvel.dev_SecretImport, v: v1alpha1}", want: finding.SecretKeyMissing, severity: finding.Warning},
		"a Secret that a Job may make":          {objects: []string{job, deployment("", reads("secret", "nobody-knows", "a", ""))}, want: finding.SecretKeyMissing, severity: finding.Warning},
		"a Secret that a Job is told to make":   {objects: []string{makes("args: [create, --secret-name=cert]", ""), deployment("", reads("secret", "cert", "a", ""))}, spot: "Secret cert in namespace web, which pods read, is for Job web/certgen"},
		"a Secret that a Job made that is gone": {objects: []string{makes("env: [{name: NAME, value: cert}]", ", deletionTimestamp: '2026-01-01T00:00:00Z'"), deployment("", reads("secret", "cert", "a", ""))}, spot: "Job web/certgen"},
		"a Secret that a Job reads, too":        {objects: []string{makes("env: [{name: NAME, valueFrom: {secretKeyRef: {name: cert, key: a}}}]", ", deletionTimestamp: '2026-01-01T00:00:00Z'"), deployment("", reads("secret", "cert", "a", ""))}, want: finding.SecretKeyMissing, severity: finding.Error},
		// What a chart's Jobs make, its stand-in's Jobs make, too.
		"a stand-in's Secret beside a Job":             {objects: []string{job, deployment("seatrial.dev/stand-in: web", reads("secret", "nobody-knows", "a", ""))}, want: finding.SecretKeyMissing, severity: finding.Error},
		"a bundle to be injected":                      {objects: []string{bundle, deployment("", reads("configMap", "trusted-ca", "ca.crt", ""))}, want: finding.SecretKeyMissing, severity: finding.Warning},
		"a volume's Secret":                            {objects: []string{deployment("", "volumes: [{name: a, secret: {secretName: gone}}]")}, want: finding.SecretKeyMissing, severity: finding.Error, says: "Secret gone"},
		"a projected volume":                           {objects: []string{secret, deployment("", "volumes: [{name: a, projected: {sources: [{secret: {name: web-credentials, items: [{key: nope}]}}]}}]")}, want: finding.SecretKeyMissing, severity: finding.Error, says: "key nope"},
		"a bare pod":                                   {objects: []string{"apiVersion: v1\nkind: Pod\nmetadata: {name: bare, namespace: web}\nspec: {containers: [{name: a, envFrom: [{secretRef: {name: gone}}]}]}\n"}, want: finding.SecretKeyMissing, severity: finding.Error, says: "Pod bare"},
		"a pod of a workload":                          {objects: []string{"apiVersion: v1\nkind: Pod\nmetadata: {name: owned, namespace: web, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: a, uid: b}]}\nspec: {containers: [{name: a, envFrom: [{secretRef: {name: gone}}]}]}\n"}},
		"a route":                                      {objects: []string{service, proxyTo("web", "80")}},
		"a route to no port":                           {objects: []string{service, proxyTo("web", "8080")}, want: finding.BackendNotFound, severity: finding.Error, says: "port 8080"},
		"a route to no Service":                        {objects: []string{service, proxyTo("nowhere", "80")}, want: finding.BackendNotFound, severity: finding.Error, says: "Service nowhere"},
		"a route to no Service, where a stand-in runs": {objects: []string{strings.Replace(service, "spec: {", "spec: {selector: {seatrial.dev/stand-in: web}, ", 1), proxyTo("nowhere", "80")}, want: finding.BackendNotFound, severity: finding.Error, says: "Service nowhere"},
		"an ingress to a port name":                    {objects: []string{service, ingressTo("web", "name: http")}},
		"an ingress to no name":                        {objects: []string{service, ingressTo("web", "name: grpc")}, want: finding.BackendNotFound, severity: finding.Error, says: "port grpc"},
		"an external name":                             {objects: []string{external, ingressTo("away", "number: 443")}},
		"an operator's Service":                        {objects: []string{operated, ingressTo("quickstart-kb-http", "number: 5601")}, inventory: "{id: web_quickstart_kibana.k8s.elastic.co_Kibana, v: v1}", want: finding.BackendNotFound, severity: finding.Warning},
	} {
		t.Run(name, func(t *testing.T) {
			inventory := "{id: web_web_apps_Deployment, v: v1}"
			if !strings.Contains(strings.Join(c.objects, ""), "kind: Deployment") {
				inventory = ""
			}
			if c.inventory != "" {
				inventory = strings.Trim(inventory+", "+c.inventory, ", ")
			}
			r := repo(t, "web")
			objects := livetest.Cluster(t, append(c.objects, ks("flux-system", "True", "ReconciliationSucceeded", "", ""), ks("web", "True", "ReconciliationSucceeded", "", inventory))...)
			j, a := after(t, r, objects, 0, 1)
			got, spots := j.References(objects, a)
			if (c.spot != "") != (len(spots) == 1) || c.spot != "" && !strings.Contains(spots[0].Message, c.spot) {
				t.Errorf("blind spots %+v", spots)
			}
			if c.want == "" {
				if len(got) > 0 {
					t.Errorf("got %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Code != c.want || got[0].Severity != c.severity || !strings.Contains(got[0].Message, c.says) || got[0].Fix == "" {
				t.Fatalf("got %+v", got)
			}
			failed := strings.Contains(statuses(a), "web=failed")
			if inOwnLayer := got[0].Layer == "web"; failed != (inOwnLayer && c.severity == finding.Error) {
				t.Errorf("layers %s for %+v", statuses(a), got[0])
			}
		})
	}
}
