package verdict

import "regexp"

// What Flux, kapp and the API server write, and what is taken from it.
var (
	number     = regexp.MustCompile(`\d+(\.\d+)?(m?s|m)?`)
	noMatch    = regexp.MustCompile(`no matches for kind "([^"]+)" in version "([^"]+)"`)
	dryRun     = regexp.MustCompile(`(?m)^\s*([A-Z]\w+)/(\S+?) dry-run failed`)
	decryption = regexp.MustCompile(`'([^'/]+)/([^'/]+)'`)
	unhealthy  = regexp.MustCompile(`([A-Z]\w+)/([\w.-]+)/([\w.:-]+) status: '(\w+)'`)
	waiting    = regexp.MustCompile(`(?i)artifact|source .*not ready|dependency .* is not ready|HelmRelease/|GitRepository/|OCIRepository/|HelmRepository/`)
	network    = regexp.MustCompile(`(?i)no such host|dial tcp|network is unreachable|connection refused|i/o timeout|server misbehaving`)
)
