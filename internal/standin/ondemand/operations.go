package ondemand

import (
	"slices"
	"strconv"
	"strings"
)

// operations are what the operations of a JSON patch take for granted: that what they add to is there, and what they change.
func operations(patch []any, target map[string]any) []change {
	var out []change
	removed := map[string]int{} // by list: entries that were there before, and are no more
	for _, m := range elements(patch) {
		op, _ := m["op"].(string)
		path, _ := m["path"].(string)
		if op == "copy" || op == "move" {
			path, _ = m["from"].(string)
		}
		keys := pointer(path)
		if len(keys) == 0 || len(keys) > deepest || len(out) >= mostChanges {
			continue
		}
		last, above := keys[len(keys)-1], keys[:len(keys)-1]
		list := strings.Join(above, "/")
		n, numbered := entry(last)
		var leaf any
		switch {
		case op == "add" && numbered:
			leaf = entries(above, n+removed[list], m["value"])
		case op == "add":
			leaf = map[string]any{}
		case numbered:
			leaf = entries(above, n+1+removed[list], m["value"])
			if op == "remove" {
				removed[list]++
			}
		default:
			above, leaf = keys, m["value"]
			if leaf == nil {
				leaf = "stand-in"
			}
		}
		for _, has := range []any{there(above, leaf), there(escalates(keys, m["value"]))} {
			if object, ok := has.(map[string]any); ok && len(object) > 0 {
				c := aimed(target)
				c.Has = object
				out = append(out, c)
			}
		}
	}
	return out
}

// pointer are the keys of a JSON pointer; none if it is of the whole object.
func pointer(path string) []string {
	if !strings.HasPrefix(path, "/") {
		return nil
	}
	keys := strings.Split(path[1:], "/")
	for i, key := range keys {
		keys[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
	}
	return keys
}

// entry is the index that a key is in a list, at most mostEntries; 0 for "-", which is behind the last. It is false for a map's key.
func entry(key string) (int, bool) {
	n, err := strconv.Atoi(key)
	return min(max(n, 0), mostEntries), err == nil && n >= 0 || key == "-"
}

// entries are so many of a list, of the kind that a value is of.
func entries(above []string, n int, value any) []any {
	var one any = map[string]any{}
	_, text := value.(string)
	if text || len(above) > 0 && slices.Contains(texts, above[len(above)-1]) {
		one = "stand-in"
	}
	return slices.Repeat([]any{one}, min(n, mostEntries))
}

// texts are lists that have no maps.
var texts = []string{"args", "command", "finalizers", "accessModes", "verbs", "resources", "apiGroups", "hosts"}

// there is what has to be there for keys to lead to a leaf; nil if the leaf is.
func there(keys []string, leaf any) any {
	for i := len(keys) - 1; i >= 0 && leaf != nil; i-- {
		if n, numbered := entry(keys[i]); numbered {
			leaf = append(slices.Repeat([]any{map[string]any{}}, n), leaf)
		} else {
			leaf = map[string]any{keys[i]: leaf}
		}
	}
	return leaf
}

// escalates are the keys of a container's securityContext and what it has to have there for a value to be allowed that a
// patch puts there (see loosened); nil if it is anyway.
func escalates(keys []string, value any) ([]string, any) {
	i := slices.Index(keys, "securityContext")
	if i < 2 || i == len(keys)-1 || !strings.HasSuffix(strings.ToLower(keys[i-2]), "containers") {
		return nil, nil
	}
	context := there(keys[i+1:], value)
	if more := loosened(map[string]any{}, context)["securityContext"]; more != nil {
		return keys[:i+1], more
	}
	return nil, nil
}
