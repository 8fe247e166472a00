package check

import (
	"bytes"
	"io/fs"
	"path"
	"regexp"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// Audit looks for secrets: in what the layers apply, and in every SOPS file of
// the tree, whether a layer uses it or not.
func Audit(r *gitops.Repo, tree fs.FS, o Options) ([]finding.Finding, error) {
	var all []finding.Finding
	for _, rule := range []func(*gitops.Repo, Options) []finding.Finding{recipients, undecrypted, plaintext, plainValues, plainSettings} {
		all = append(all, rule(r, o)...)
	}
	files, err := sopsFiles(r, tree, o)
	return finding.Merge(all, files), err
}

// sopsFiles looks at every file that SOPS has encrypted.
func sopsFiles(r *gitops.Repo, tree fs.FS, o Options) ([]finding.Finding, error) {
	layerOf := map[string]string{}
	for _, l := range r.Layers {
		for _, obj := range l.Objects {
			layerOf[obj.File] = l.Title()
		}
	}
	var out []finding.Finding
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() || o.Ignored[name] {
			return nil
		}
		b, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file := finding.Finding{Severity: finding.Error, Layer: layerOf[name], File: name, Line: 1}
		if i := bytes.Index(b, []byte("AGE-SECRET-KEY-")); i >= 0 && len(b) > i+40 {
			f := file
			f.Code, f.Line = finding.PlaintextSecret, 1+bytes.Count(b[:i], []byte("\n"))
			f.Message, f.Fix = "an age private key is in the repo", "rotate every file that it reads, and never commit its successor"
			out = append(out, f)
		}
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" && ext != ".json" {
			return nil
		}
		if !bytes.Contains(b, []byte("sops")) {
			if layerOf[name] == "" && plainSecret.Match(b) {
				f := file
				f.Code, f.Severity = finding.PlaintextSecret, finding.Warning
				f.Message, f.Fix = "a Secret in plain text, which no layer applies", "encrypt it, or remove it and change its values"
				out = append(out, f)
			}
			return nil
		}
		var doc map[string]any
		if err := yaml.Unmarshal(b, &doc); err != nil {
			return nil // the check verb reports it
		}
		found := gitops.Recipients(doc)
		if len(found) == 0 {
			return nil // encrypted by another key service than age
		}
		if want, ruled := r.RecipientsFor(name); ruled && len(want) > 0 {
			for _, recipient := range found {
				if !overlap([]string{recipient}, want) {
					f := file
					f.Code, f.Message = finding.SOPSRecipient, recipient+" can read the file, and .sops.yaml does not name it"
					f.Fix = "run seatrial secrets edit-recipients " + name
					out = append(out, f)
				}
			}
		}
		if o.Open == nil || !overlap(found, o.KeyRecipients) {
			return nil
		}
		if err := o.Open(b); err != nil {
			file.Code, file.Message, file.Fix = finding.SOPSChanged, err.Error(), "restore the file from Git, or edit it with sops, which signs it"
			out = append(out, file)
		}
		return nil
	})
	return out, err
}

// secretName matches keys whose values are secret by their name. secretWhere matches
// those keys that only refer to a Secret, such as existingSecret.
var (
	secretName  = regexp.MustCompile(`(?i)(password|passwd|passphrase|token|secret|api_?key|access_?key|private_?key)$`)
	secretWhere = regexp.MustCompile(`(?i)(existing|secretname|secretref|keyref)`)
	// plainSecret is a Secret with values, in a file that SOPS has not seen.
	plainSecret = regexp.MustCompile(`(?m)^kind: Secret\s*$[\s\S]*^(data|stringData):\s*$`)
)
