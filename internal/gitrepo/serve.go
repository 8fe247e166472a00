package gitrepo

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
)

// Handler serves the snapshot's repository for cloning, at any path ending in
// .git. It speaks Git's smart HTTP protocol through git upload-pack, which
// every git installation has (git http-backend is a separate package on some).
func (s *Snapshot) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{repo}/info/refs", s.refs)
	mux.HandleFunc("POST /{repo}/git-upload-pack", s.uploadPack)
	return mux
}

func (s *Snapshot) refs(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("service") != "git-upload-pack" {
		http.Error(w, "only git-upload-pack over smart HTTP is served: the rehearsed repo is read-only", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
	w.Header().Set("Cache-Control", "no-cache")
	const banner = "# service=git-upload-pack\n"
	fmt.Fprintf(w, "%04x%s0000", len(banner)+4, banner)
	s.serve(w, r, http.NoBody, "--advertise-refs")
}

func (s *Snapshot) uploadPack(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		gz, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = gz
	}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	w.Header().Set("Cache-Control", "no-cache")
	s.serve(w, r, body)
}

func (s *Snapshot) serve(w http.ResponseWriter, r *http.Request, body io.Reader, flags ...string) {
	args := append(append([]string{"upload-pack", "--stateless-rpc"}, flags...), s.GitDir)
	var env []string
	if p := r.Header.Get("Git-Protocol"); p != "" {
		env = append(env, "GIT_PROTOCOL="+p)
	}
	cmd := command(r.Context(), env, args...)
	cmd.Stdin, cmd.Stdout = body, w
	// The answer has begun: a failure can only cut it short, which the client notices.
	if err := s.run(cmd); err != nil && r.Context().Err() == nil {
		panic(http.ErrAbortHandler)
	}
}
