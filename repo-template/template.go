// Package repotemplate holds the GitOps repo that generate renders, as files
// that read like that repo. Text between [[ and ]] is filled in; CLUSTER in a
// path stands for the cluster's name.
package repotemplate

import (
	"embed"
	"io/fs"
)

//go:embed all:files
var files embed.FS

// Files is the tree to render.
func Files() fs.FS {
	sub, err := fs.Sub(files, "files")
	if err != nil {
		panic(err) // a constant, valid path
	}
	return sub
}
