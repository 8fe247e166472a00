package existing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/standin"
)

const (
	hostPod  = "gitea"
	hostPort = 3000
	// hostName ends in .local, so that Carvel's tools speak plain HTTP with it.
	hostName = hostPod + "." + Namespace + ".svc.cluster.local:3000"

	owner      = "seatrial" // the repo's owner, an administrator
	syncUser   = "flux"     // the user that flux bootstrap and Flux log in as
	repository = "fleet"
	standIns   = "stand-ins" // owner of the stand-ins
)

// host is the Gitea that holds the rehearsed tree and the stand-ins.
type host struct {
	addr       string // on this machine's loopback
	ownerToken string
	syncToken  string
	client     *http.Client // speaks with hostName through addr
}

// startHost starts Gitea and makes its users. The connection to it lives as long as alive.
func (c *Cluster) startHost(ctx, alive context.Context) (*host, error) {
	service := kube.Object("v1", "Service", Namespace, hostPod, map[string]any{"spec": map[string]any{
		"selector": map[string]any{"app": hostPod}, "ports": []any{map[string]any{"name": "http", "port": int64(hostPort)}},
	}})
	if err := c.client.Apply(ctx, c.labelled(service)...); err != nil {
		return nil, err
	}
	if err := c.startPod(ctx, hostPod, hostSpec(c.Images.At(c.Images.Gitea))); err != nil {
		return nil, err
	}
	h := &host{}
	var err error
	if h.ownerToken, err = c.addUser(ctx, owner, "all", "--admin"); err != nil {
		return nil, err
	}
	// What flux bootstrap needs, and no more.
	if h.syncToken, err = c.addUser(ctx, syncUser, "read:misc,write:repository"); err != nil {
		return nil, err
	}
	if h.addr, err = c.forward(alive, hostPod, hostPort); err != nil {
		return nil, err
	}
	h.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, h.addr)
		},
	}}
	return h, h.addOrganization(ctx, standIns)
}

func hostSpec(image string) map[string]any {
	env := []any{}
	for _, e := range [][2]string{
		{"GITEA__security__INSTALL_LOCK", "true"},
		{"GITEA__server__ROOT_URL", "http://" + hostName + "/"},
		{"GITEA__server__DISABLE_SSH", "true"},
		{"GITEA__server__START_SSH_SERVER", "false"},
		{"GITEA__server__OFFLINE_MODE", "true"},
		{"GITEA__service__DISABLE_REGISTRATION", "true"},
		{"GITEA__database__DB_TYPE", "sqlite3"},
		{"GITEA__log__LEVEL", "Warn"},
		{"GITEA__cron__ENABLED", "false"},
		{"GITEA__actions__ENABLED", "false"},
		{"GITEA__indexer__ISSUE_INDEXER_TYPE", "db"},
	} {
		env = append(env, map[string]any{"name": e[0], "value": e[1]})
	}
	return map[string]any{
		"automountServiceAccountToken": false, "enableServiceLinks": false, "terminationGracePeriodSeconds": int64(1),
		"containers": []any{map[string]any{
			"name": hostPod, "image": image, "env": env, "imagePullPolicy": "IfNotPresent",
			"ports": []any{map[string]any{"containerPort": int64(hostPort)}},
			"readinessProbe": map[string]any{
				"httpGet": map[string]any{"path": "/api/healthz", "port": int64(hostPort)}, "periodSeconds": int64(1), "timeoutSeconds": int64(3), "failureThreshold": int64(60),
			},
			"volumeMounts": []any{map[string]any{"name": "data", "mountPath": "/data"}},
		}},
		"volumes": []any{map[string]any{"name": "data", "emptyDir": map[string]any{}}},
	}
}

var accessToken = regexp.MustCompile(`Access token was successfully created\.\.\. ([0-9a-f]{40})`)

// addUser creates a Gitea user with a random password, which nobody learns, and returns an
// access token for the user.
func (c *Cluster) addUser(ctx context.Context, user, scopes string, more ...string) (string, error) {
	args := append([]string{
		"su-exec", "git", "gitea", "admin", "user", "create", "--username", user, "--email", user + "@seatrial.invalid",
		"--random-password", "--must-change-password=false", "--access-token", "--access-token-scopes", scopes,
	}, more...)
	out, err := c.run(ctx, command{pod: hostPod, args: args})
	if err != nil {
		return "", fmt.Errorf("make the Gitea user %s: %w", user, err)
	}
	m := accessToken.FindStringSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("make the Gitea user %s: no access token in its answer", user)
	}
	return m[1], nil
}

// call sends a request to Gitea's API as the owner.
func (h *host) call(ctx context.Context, method, path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return h.send(ctx, method, "/api/v1"+path, "application/json", b)
}

func (h *host) send(ctx context.Context, method, path, contentType string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+hostName+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", contentType)
	r.SetBasicAuth(owner, h.ownerToken)
	answer, err := h.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("gitea: %s %s: %s: %s", method, path, answer.Status, bytes.TrimSpace(text))
	}
	return nil
}

func (h *host) addOrganization(ctx context.Context, org string) error {
	return h.call(ctx, http.MethodPost, "/orgs", map[string]any{"username": org, "visibility": "public"})
}

// repoURL is the URL of the repo within the cluster.
func repoURL() string { return "http://" + hostName + "/" + owner + "/" + repository + ".git" }

// local is the same repo, as seen from this machine.
func (h *host) local(token, user string) gitrepo.Access {
	return gitrepo.Access{URL: "http://" + h.addr + "/" + owner + "/" + repository + ".git", User: user, Password: token}
}

// Publish implements cluster.Provider: it pushes the tree to a private repo in Gitea.
func (c *Cluster) Publish(ctx context.Context, s *gitrepo.Snapshot) (cluster.Remote, error) {
	h := c.host
	if err := h.call(ctx, http.MethodPost, "/user/repos", map[string]any{"name": repository, "private": true, "default_branch": gitrepo.Branch}); err != nil {
		return cluster.Remote{}, err
	}
	if err := h.call(ctx, http.MethodPut, "/repos/"+owner+"/"+repository+"/collaborators/"+syncUser, map[string]any{"permission": "write"}); err != nil {
		return cluster.Remote{}, err
	}
	if err := s.Push(ctx, h.local(h.ownerToken, owner)); err != nil {
		return cluster.Remote{}, err
	}
	return cluster.Remote{URL: repoURL(), Secret: fluxNamespace}, nil
}

// Shelf implements cluster.Provider: Gitea's package registries hold the stand-ins.
func (c *Cluster) Shelf(context.Context) (standin.Shelf, error) { return c.host, nil }

// Charts implements standin.Shelf: each Helm repository gets an organization of its own
// in Gitea, and is that one's package registry.
func (h *host) Charts(ctx context.Context, upstream string, charts []standin.Chart) (string, error) {
	org := "charts-" + standin.Short(upstream)
	if err := h.addOrganization(ctx, org); err != nil {
		return "", err
	}
	base := "/api/packages/" + org + "/helm"
	for _, chart := range charts {
		if err := h.send(ctx, http.MethodPost, base+"/api/charts", "application/gzip", chart.Archive); err != nil {
			return "", err
		}
	}
	return "http://" + hostName + base, nil
}

// Place implements standin.Shelf: each repository gets a folder of its own.
func (h *host) Place(repository string) string {
	return hostName + "/" + standIns + "/" + standin.Short(repository)
}

// Push implements standin.Shelf.
func (h *host) Push(ctx context.Context, image string, img v1.Image) error {
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		return err
	}
	auth := &authn.Basic{Username: owner, Password: h.ownerToken}
	return remote.Write(ref, img, remote.WithContext(ctx), remote.WithAuth(auth), remote.WithTransport(h.client.Transport))
}
