package cli

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/egress/outside"
	"seatrial.dev/seatrial/internal/sources"
)

// outsideServer makes the server that reaches sources on behalf of a rehearsal.
func (v *verify) outsideServer() (*outside.Server, error) {
	t := &v.tiers
	o := outside.Options{Mode: t.mode()}
	if o.Mode == egress.StandIn {
		return outside.New(o), nil // it asks nothing, and keeps nothing
	}
	dir, err := sources.Dir()
	if err != nil {
		return nil, err
	}
	o.Store, err = sources.Open(dir)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		o.Store, err = sources.None() // the rehearsal does without, and says so if something was fetched
	}
	if err != nil {
		return nil, err
	}
	if v.pull && t.vendorDir != "" {
		if o.Store, err = sources.MakeVendor(t.vendorDir); err != nil {
			return nil, err
		}
	} else if t.vendorDir != "" {
		if o.Vendor, err = sources.OpenVendor(t.vendorDir); err != nil {
			return nil, err
		}
	}
	if o.Mode != egress.Cached {
		if o.Credentials, err = outside.FindCredentials(); err != nil {
			return nil, err
		}
	}
	return outside.New(o), nil
}

// inside says whether a folder that a flag names is in a repo's folder; both may be relative, and an empty one is no folder.
func inside(folder, repo string) (bool, error) {
	if folder == "" {
		return false, nil
	}
	var real [2]string
	for i, p := range []string{folder, repo} {
		abs, err := filepath.Abs(p)
		if err != nil {
			return false, err
		}
		if real[i], err = filepath.EvalSymlinks(abs); err != nil {
			real[i] = abs // not there yet
		}
	}
	rel, err := filepath.Rel(real[1], real[0])
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../"), nil
}
