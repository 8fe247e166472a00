package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/stores"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/ini"
	sopsjson "github.com/getsops/sops/v3/stores/json"
	sopsyaml "github.com/getsops/sops/v3/stores/yaml"
	"go.yaml.in/yaml/v3"

	"seatrial.dev/seatrial/internal/sealed"
)

func store() *sopsyaml.Store { return sopsyaml.NewStore(&config.YAMLStoreConfig{}) }

// storeFor returns SOPS's reader and writer of a format.
func storeFor(f sealed.Format) sops.Store {
	switch f {
	case sealed.YAML:
		return store()
	case sealed.Dotenv:
		return dotenv.NewStore(&config.DotenvStoreConfig{})
	case sealed.INI:
		return ini.NewStore(&config.INIStoreConfig{})
	case sealed.JSON:
		return sopsjson.NewStore(&config.JSONStoreConfig{})
	}
	return sopsjson.NewBinaryStore(&config.JSONBinaryStoreConfig{})
}

// errPlain says that a file is not encrypted.
var errPlain = errors.New("it is not encrypted by SOPS")

// maxDepth is how deep an encrypted file may be nested: SOPS's readers call themselves.
const maxDepth = 500

// part is one or more documents of a file that were encrypted together; plain ones have no metadata.
type part struct {
	branches sops.TreeBranches
	metadata *sops.Metadata
}

// load reads an encrypted file of any format, by its content. A YAML file is read in parts: its documents may have
// been encrypted one by one, and then joined with others, encrypted or not, which kustomize-controller takes.
func load(content []byte) (sealed.Format, []part, error) {
	format, encrypted := sealed.In(content)
	if !encrypted {
		return "", nil, errPlain
	}
	if len(content) > sealed.MaxSize {
		return "", nil, fmt.Errorf("it is larger than %d MiB: Flux does not decrypt it", sealed.MaxSize>>20)
	}
	if deep(content, format) {
		return "", nil, errors.New("it is nested too deeply")
	}
	if format == sealed.YAML {
		if err := bounded(content); err != nil {
			return "", nil, err
		}
		branches, err := store().LoadPlainFile(content)
		if err != nil {
			return "", nil, err
		}
		parts, err := split(branches)
		return format, parts, err
	}
	tree, err := storeFor(format).LoadEncryptedFile(content)
	if err != nil {
		return "", nil, err
	}
	return format, []part{{tree.Branches, &tree.Metadata}}, nil
}

// deep says whether brackets of JSON are nested too deeply. YAML's parser has a limit, which is checked
// with its aliases.
func deep(content []byte, format sealed.Format) bool {
	if format != sealed.JSON {
		return false
	}
	depth, text := 0, false
	for i := 0; i < len(content); i++ {
		switch c := content[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// bounded returns an error if a document is nested too deeply, or its aliases expand to too much or to themselves:
// SOPS expands all of them.
func bounded(content []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if nested(&n, 0) {
			return errors.New("it is nested too deeply")
		}
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
	}
}

func nested(n *yaml.Node, depth int) bool {
	if depth > maxDepth {
		return true
	}
	for _, c := range n.Content {
		if nested(c, depth+1) {
			return true
		}
	}
	return false
}

// split makes parts of the documents of a YAML file: those that have the same code, one after the other, are one. A
// document without metadata belongs to the encrypted ones before it if it has encrypted values.
func split(branches sops.TreeBranches) ([]part, error) {
	var parts []part
	last := ""
	for i, b := range branches {
		mac, own := codeOf(b)
		switch {
		case own && len(parts) > 0 && mac == last && parts[len(parts)-1].metadata != nil,
			!own && len(parts) > 0 && parts[len(parts)-1].metadata != nil && hasEncrypted(b):
			p := &parts[len(parts)-1]
			p.branches = append(p.branches, without(b))
			continue
		case !own:
			if len(b) > 0 || len(branches) == 1 {
				parts = append(parts, part{branches: sops.TreeBranches{b}})
			}
			continue
		}
		plain, metadata, err := stores.ExtractMetadata(sops.TreeBranches{b}, stores.MetadataOpts{Flatten: stores.MetadataFlattenNone})
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		last = mac
		parts = append(parts, part{plain, &metadata})
	}
	return parts, nil
}

// codeOf is the message authentication code in a document's metadata; false if it has none.
func codeOf(b sops.TreeBranch) (string, bool) {
	for _, item := range b {
		if item.Key != stores.SopsMetadataKey {
			continue
		}
		metadata, _ := item.Value.(sops.TreeBranch)
		for _, m := range metadata {
			if m.Key == "mac" {
				return fmt.Sprint(m.Value), true
			}
		}
		return "", true
	}
	return "", false
}

func without(b sops.TreeBranch) sops.TreeBranch {
	var out sops.TreeBranch
	for _, item := range b {
		if item.Key != stores.SopsMetadataKey {
			out = append(out, item)
		}
	}
	return out
}

func hasEncrypted(v any) bool {
	switch v := v.(type) {
	case sops.TreeBranch:
		for _, item := range v {
			if hasEncrypted(item.Value) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if hasEncrypted(e) {
				return true
			}
		}
	case string:
		return isEncrypted(v)
	}
	return false
}

// emit writes the parts of a decrypted file in a format.
func emit(format sealed.Format, parts []part) ([]byte, error) {
	var all sops.TreeBranches
	for _, p := range parts {
		all = append(all, p.branches...)
	}
	if len(all) == 0 {
		return nil, errors.New("it holds no document")
	}
	return storeFor(format).EmitPlainFile(all)
}
