package gitops

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"
)

// What a repo may hold. The limits are far above what people write, and far
// below what takes a machine's memory or minutes of its time.
const (
	// maxFile is the largest file that is read, in bytes.
	maxFile = 16 << 20
	// maxKeys is the largest number of keys of one mapping. YAML libraries compare each
	// key with all others, so beyond this, a file of a few megabytes takes minutes.
	maxKeys = 5000
	// maxDepth is how deep mappings and lists may lie within each other.
	maxDepth = 400
	// maxNodes is the largest number of values of a document whose aliases are expanded.
	// More are allowed if aliases multiply the document's values by no more than ten.
	maxNodes = 200_000
	// maxObjects is the largest number of objects of one layer. kustomize compares each
	// with all others, which takes four seconds for this many.
	maxObjects = 2000
)

// tooMuch says which limit a document exceeds, or "".
func tooMuch(doc *yaml.Node) string {
	if deeper(doc, maxDepth) {
		return fmt.Sprintf("mappings and lists lie more than %d deep within each other: no more are read", maxDepth)
	}
	if n := widest(doc); n > maxKeys {
		return fmt.Sprintf("a mapping has %d keys: no more than %d are read", n, maxKeys)
	}
	plain := count(doc)
	if n := expanded(doc, map[*yaml.Node]int{}); n > maxNodes && n > 10*plain {
		return fmt.Sprintf("its aliases (*name) stand for more than %d values: it is not read", maxNodes)
	}
	return ""
}

// deeper says whether anything below n lies more than depth levels deep.
func deeper(n *yaml.Node, depth int) bool {
	return depth < 0 || slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return deeper(c, depth-1) })
}

// widest is the number of keys of the largest mapping below n.
func widest(n *yaml.Node) int {
	most := 0
	if n.Kind == yaml.MappingNode {
		most = len(n.Content) / 2
	}
	for _, c := range n.Content {
		most = max(most, widest(c))
	}
	return most
}

func count(n *yaml.Node) int {
	total := 1
	for _, c := range n.Content {
		total += count(c)
	}
	return total
}

// expanded counts the values below n with all aliases expanded; it stops at 100 times maxNodes.
func expanded(n *yaml.Node, known map[*yaml.Node]int) int {
	const enough = 100 * maxNodes
	if total, ok := known[n]; ok {
		return total
	}
	known[n] = enough // until it is counted: an alias may contain itself
	total := 1
	for _, c := range n.Content {
		total = min(enough, total+expanded(c, known))
	}
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		total = min(enough, total+expanded(n.Alias, known))
	}
	known[n] = total
	return total
}

// maxCopyOps is how many operations of JSON patches one file may have that copy a part of an object: each may double it.
const maxCopyOps = 24

// copyOp matches such an operation, in YAML or JSON.
var copyOp = regexp.MustCompile(`["']?op["']?\s*:\s*["']?copy\b`)

// copying says that a file has too many of them, or "".
func copying(b []byte) string {
	if bytes.Contains(b, []byte("copy")) && len(copyOp.FindAllIndex(b, maxCopyOps+1)) > maxCopyOps {
		return fmt.Sprintf("more than %d patch operations copy a part of an object, and each may double it: no more are built", maxCopyOps)
	}
	return ""
}

// bombs matches texts that may hold aliases: an anchor, and later a reference.
var bombs = regexp.MustCompile(`(?s)&[\w-]+.*\*[\w-]+`)

// hidden returns why a text exceeds the limits, or "". Such a text is not read as YAML
// here, but kustomize may do so: a patch in a string, or a file with another extension.
// Texts of more than 1 MiB are not examined.
func hidden(text string) string {
	if len(text) > 1<<20 || !bombs.MatchString(text) {
		return ""
	}
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var doc yaml.Node
		if err := d.Decode(&doc); err != nil {
			return "" // the end, or not YAML
		}
		if why := tooMuch(&doc); why != "" {
			return why
		}
	}
}

// hiddenBelow applies hidden to all strings of a document.
func hiddenBelow(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return hidden(n.Value)
	}
	for _, c := range n.Content {
		if why := hiddenBelow(c); why != "" {
			return why
		}
	}
	return ""
}

// maxUnpacked is the largest content of a chart's archive, in bytes: Helm's own limit.
const maxUnpacked = 100 << 20

// Archive is a packed file (.tgz or .tar.gz) in a chart's folder.
type Archive struct {
	File string
	// TooMuch says that it holds more than Helm unpacks.
	TooMuch bool
}

// archive records a packed file and whether its content is too large. The content is not kept.
func (t *Tree) archive(name string, b []byte) {
	if path.Ext(name) != ".tgz" && !strings.HasSuffix(name, ".tar.gz") {
		return
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return // not a gzip file
	}
	n, _ := io.Copy(io.Discard, io.LimitReader(z, maxUnpacked+1))
	t.archives = append(t.archives, Archive{name, n > maxUnpacked})
}

// Archives are the packed files that lie in a chart's folder, sorted by name.
func (t *Tree) Archives() []Archive {
	var out []Archive
	for _, a := range t.archives {
		for dir := path.Dir(a.File); ; dir = path.Dir(dir) {
			if t.memory.Exists(at(path.Join(dir, "Chart.yaml"))) {
				out = append(out, a)
				break
			}
			if dir == "." {
				break
			}
		}
	}
	slices.SortFunc(out, func(a, b Archive) int { return strings.Compare(a.File, b.File) })
	return out
}

// unread is the content that kustomize is given for a file that exceeds the limits: it does not parse.
const unread = "{this file is beyond what is read"

// objectsOf counts the objects that kustomize would build from a folder or file, up to
// twice maxObjects. above are the folders that are being counted, to detect circles.
func (t *Tree) objectsOf(p string, above []string) int {
	if n, ok := t.objects[p]; ok {
		return n
	}
	n := 0
	switch file := ""; {
	case !t.memory.IsDir(at(p)):
		if f := t.files[p]; f != nil {
			for _, d := range f.docs {
				items, _ := d.content["items"].([]any)
				n += max(1, len(items))
			}
		}
	case slices.Contains(above, p):
		return 0 // kustomize reports the circle
	default:
		if file = t.kustomizationFile(p); file != "" {
			n = t.objectsListed(p, file, append(above, p))
			break
		}
		parts := map[string]bool{} // what generate would list
		for name := range t.files {
			if p == "" || strings.HasPrefix(name, p+"/") {
				parts[t.partOf(p, name)] = true
			}
		}
		for part := range parts {
			n += t.objectsOf(part, append(above, p))
		}
	}
	n = min(n, 2*maxObjects)
	t.objects[p] = n
	return n
}

// partOf returns what the file name contributes to the kustomization generated for dir: the
// topmost folder on the way to it that has a kustomization of its own, or else the file itself.
func (t *Tree) partOf(dir, name string) string {
	for i := len(dir) + 1; i < len(name); i++ {
		if name[i] == '/' && t.kustomizationFile(name[:i]) != "" {
			return name[:i]
		}
	}
	return name
}

func (t *Tree) objectsListed(dir, file string, above []string) int {
	b, err := t.memory.ReadFile(at(file))
	if err != nil {
		return 0
	}
	var k types.Kustomization
	if err := k.Unmarshal(b); err != nil {
		return 0
	}
	n := len(k.ConfigMapGenerator) + len(k.SecretGenerator)
	for _, res := range slices.Concat(k.Resources, k.Components) {
		if n += t.objectsOf(path.Join(dir, res), above); n > maxObjects {
			break
		}
	}
	return n
}

// beyond returns an error if a layer is larger than what is built, or nil.
func (t *Tree) beyond(l *Layer, kustomization string) *BuildError {
	if t.objectsOf(l.Path, nil) > maxObjects {
		if t.files[kustomization] == nil {
			kustomization = "" // it was made for a folder without one
		}
		return &BuildError{File: kustomization, Limit: true, Message: fmt.Sprintf("the layer is made of more than %d objects: kustomize compares each with all others, so no more are built", maxObjects)}
	}
	if e := t.listedParseError(l.Path, map[string]bool{}); e != nil && e.Limit {
		return &BuildError{Parse: e, File: e.File, Message: e.Message}
	}
	return nil
}
