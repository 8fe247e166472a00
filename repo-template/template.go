// Package repotemplate holds what generate renders: the files of the GitOps
// repo itself (repo), its layers (layers), the manifests that services have in
// common (parts) and one folder for each service (services). Text between [[
// and ]] is filled in.
package repotemplate

import "embed"

// Files is the whole tree.
//
//go:embed all:repo all:layers all:parts all:services package-repositories.yaml
var Files embed.FS
