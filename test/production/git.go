package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os/exec"
)

// gitServer serves one bare repository at /repo.git over smart HTTP, to those who have the token.
func gitServer(bare string) http.Handler {
	mux := http.NewServeMux()
	serve := func(w http.ResponseWriter, r *http.Request, service string, flags ...string) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			gz, err := gzip.NewReader(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			body = gz
		}
		cmd := exec.CommandContext(r.Context(), "git", append(append([]string{service, "--stateless-rpc"}, flags...), bare)...)
		cmd.Stdin, cmd.Stdout = body, w
		if p := r.Header.Get("Git-Protocol"); p != "" {
			cmd.Env = append(cmd.Environ(), "GIT_PROTOCOL="+p)
		}
		if err := cmd.Run(); err != nil && r.Context().Err() == nil {
			panic(http.ErrAbortHandler)
		}
	}
	mux.HandleFunc("GET /repo.git/info/refs", func(w http.ResponseWriter, r *http.Request) {
		service := r.URL.Query().Get("service")
		if service != "git-upload-pack" && service != "git-receive-pack" {
			http.Error(w, "smart HTTP only", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/x-"+service+"-advertisement")
		line := "# service=" + service + "\n"
		fmt.Fprintf(w, "%04x%s0000", len(line)+4, line)
		serve(w, r, service[len("git-"):], "--advertise-refs")
	})
	for _, service := range []string{"git-upload-pack", "git-receive-pack"} {
		mux.HandleFunc("POST /repo.git/"+service, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/x-"+service+"-result")
			serve(w, r, service[len("git-"):])
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, ok := r.BasicAuth(); !ok || password != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
