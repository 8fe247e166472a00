// Package sealed tells which files SOPS has encrypted, in which of its formats, and which of them
// kustomize-controller decrypts before it builds a layer. It follows that controller's
// internal/decryptor, decrypts nothing itself, and is pure.
package sealed

import (
	"bytes"
	"strings"
)

// Format is one of SOPS's file formats.
type Format string

// The formats. A binary file is a JSON envelope while it is encrypted.
const (
	Binary Format = "binary"
	Dotenv Format = "dotenv"
	INI    Format = "ini"
	JSON   Format = "json"
	YAML   Format = "yaml"
)

// MaxSize is the size in bytes above which kustomize-controller does not decrypt a file.
const MaxSize = 5 << 20

// FormatOf is the format that kustomize-controller takes a file for by its name, or a Secret's value by
// its key.
func FormatOf(name string) Format {
	for suffix, format := range map[string]Format{
		".dockerconfigjson": JSON, ".yaml": YAML, ".yml": YAML, ".json": JSON, ".env": Dotenv, ".ini": INI,
	} {
		if strings.HasSuffix(name, suffix) {
			return format
		}
	}
	return Binary
}

// markers are the texts by which kustomize-controller sees that a file of a format is encrypted.
var markers = map[Format]string{
	Binary: `"mac": "ENC[`, Dotenv: "sops_mac=ENC[", INI: "[sops]", JSON: `"mac": "ENC[`, YAML: "mac: ENC[",
}

// Marked says whether kustomize-controller takes content for an encrypted file of a format. One that it
// does not, it leaves as it is.
func Marked(format Format, content []byte) bool {
	return bytes.Contains(content, []byte(markers[format]))
}

// In is the format that encrypted content is in, whatever its name; false if it is not encrypted.
// JSON stands for a binary file, too: their envelopes are the same.
func In(content []byte) (Format, bool) {
	if !bytes.Contains(content, []byte("ENC[")) {
		return "", false // a file with nothing but metadata of SOPS protects nothing
	}
	trimmed := bytes.TrimSpace(content)
	switch {
	case bytes.HasPrefix(trimmed, []byte("{")) && bytes.Contains(trimmed, []byte(`"sops"`)):
		return JSON, true
	case Marked(Dotenv, content) && (bytes.HasPrefix(content, []byte("sops_")) || bytes.Contains(content, []byte("\nsops_"))):
		return Dotenv, true
	case line(content, "[sops]"):
		return INI, true
	case Marked(YAML, content) && (bytes.HasPrefix(content, []byte("sops:")) || bytes.Contains(content, []byte("\nsops:"))):
		return YAML, true
	}
	return "", false
}

// line says whether content has a line that is text, but for white space around it.
func line(content []byte, text string) bool {
	for len(content) > 0 {
		i := bytes.Index(content, []byte(text))
		if i < 0 {
			return false
		}
		before := content[bytes.LastIndexByte(content[:i], '\n')+1 : i]
		after, _, _ := bytes.Cut(content[i+len(text):], []byte("\n"))
		if len(bytes.TrimSpace(before)) == 0 && len(bytes.TrimSpace(after)) == 0 {
			return true
		}
		content = content[i+len(text):]
	}
	return false
}
