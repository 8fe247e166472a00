package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

var values = []string{
	"hunter2-hunter2", `with "quotes" and \ back`, "ümläut-pässwörd", "a b c d e f g", "p@ss/w0rd?&=%+x",
	"<html>&amp;'single'", "line one of it\nline two of it\n", "1234567890", "C4n4ry#42!", strings.Repeat("long", 40),
}

// Every form in which a message may contain a value is redacted, and replaced by the
// value's name.
func TestEveryForm(t *testing.T) {
	for i, v := range values {
		s := New()
		s.Add(fmt.Sprintf("Secret a/b, key k%d", i), v)
		quoted, _ := json.Marshal(v)
		twice, _ := json.Marshal("said " + string(quoted))
		wrapped := base64.StdEncoding.EncodeToString([]byte(v))
		for from := 20; from < len(wrapped); from += 21 {
			wrapped = wrapped[:from] + "\n" + wrapped[from:]
		}
		for form, text := range map[string]string{
			"plain": "error: " + v + " is wrong", "json": string(quoted), "go": fmt.Sprintf("%q", v), "message in a message": string(twice),
			"base64": "data: " + base64.StdEncoding.EncodeToString([]byte(v)), "base64 url": base64.URLEncoding.EncodeToString([]byte(v)),
			"base64 wrapped": wrapped, "query": "http://x/?p=" + url.QueryEscape(v) + "&q=1", "path": "http://x/" + url.PathEscape(v),
			"indented": strings.ReplaceAll(v, "\n", "\n           "), "wrapped": v[:5] + "\n   " + v[5:], "cut off": "error: " + v[:len(v)-2] + "...",
		} {
			got := s.Text(text)
			if !strings.Contains(got, "***(Secret a/b, key k") {
				t.Errorf("%q as %s: %q became %q", v, form, text, got)
			}
			if strings.Contains(got, strings.TrimSpace(v)) {
				t.Errorf("%q as %s is still in %q", v, form, got)
			}
		}
	}
}

// A value is found in the base64 of a longer text, at whatever offset it begins.
func TestBase64OfSomethingLonger(t *testing.T) {
	s := New()
	s.Add("k", "hunter2-hunter2")
	for n := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", n) + `hunter2-hunter2"}`))
		if got := s.Text(text); got == text {
			t.Errorf("shift %d: %q stands", n, text)
		}
	}
}

// The values within a document are secrets, too.
func TestDocuments(t *testing.T) {
	s := New()
	s.Add("values", "admin:\n  password: from-a-document\n  port: 1234567\nlist: [in-a-list]\n")
	s.Add("env", "USER=u\nTOKEN=from-an-env-file\n")
	s.Add("url", "postgres://user:from-an-url@db:5432/x")
	s.Add("docker", `{"auths":{"r":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("user:from-an-auth"))+`"}}}`)
	for _, v := range []string{"from-a-document", "1234567", "in-a-list", "from-an-env-file", "from-an-url"} {
		if got := s.Text("bad value " + v); strings.Contains(got, v) {
			t.Errorf("%s stands in %q", v, got)
		}
	}
}

// Ordinary sentences stay as they are.
func TestWhatIsNoSecretStays(t *testing.T) {
	s := New()
	s.Public(map[string]bool{"postgres": true, "use the default storage": true})
	s.Add("config", "storage:\n  default: true\n  kind: default\n")
	s.Add("htpasswd", "harbor:$2y$05$abcdefghijklmnop")
	s.Add("user", "postgres")
	s.Add("pin", "1234")
	s.Add("flag", "true")
	const text = "Deployment postgres/postgres: 1234 is true, the default, and namespaces are made of harbor"
	if got := s.Text(text); got != text {
		t.Errorf("got %q", got)
	}
	if got := s.Short(); !slices.Equal(got, []string{"pin"}) {
		t.Errorf("too short: %v", got)
	}
}

// Neither values with much in common, nor texts made of them, slow redaction down.
func TestHostileValuesTakeNoTime(t *testing.T) {
	s := New()
	for i := range 3000 {
		s.Add("k", "......"+strings.Repeat("0", i%500)+fmt.Sprint(i))
	}
	for i := range 2000 {
		s.Add("chain", strings.Repeat("a", 6+i))
	}
	var lines strings.Builder
	for i := range 22_000 {
		fmt.Fprintf(&lines, "user%d:$2y$05$%022d\n", i, i)
	}
	s.Add("htpasswd", lines.String())
	start := time.Now()
	for _, text := range []string{strings.Repeat(".", 20_000), strings.Repeat("a", 20_000), strings.Repeat("......0", 5000), lines.String()[:20_000]} {
		s.Text(text)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	if got := s.Crowded(); !slices.Equal(got, []string{"htpasswd"}) {
		t.Errorf("crowded: %v", got)
	}
	if got := s.Text("x " + strings.Repeat("a", 50) + " y"); got != "x ***(chain) y" {
		t.Errorf("got %q", got)
	}
}

// Cut-off values and single lines of a value are redacted, too.
func TestCutOffAndLines(t *testing.T) {
	s := New()
	s.Add("k", "hunter2-hunter2")
	s.Add("lines", "first-line-is-long\nhunter22\n")
	for _, text := range []string{"cannot unmarshal !!str `hunter2...` into map", "hunter2-hunter2... (truncated): see more", "line hunter22 is wrong", "hunter2-hun…"} {
		if got := s.Text(text); strings.Contains(got, "hunter") {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := s.Text("the hunter waits"); got != "the hunter waits" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkText(b *testing.B) {
	s := New()
	for i := range 300 {
		s.Add("k", fmt.Sprintf("value-number-%d-of-many", i))
	}
	text := strings.Repeat("2026-11-26T15:02:42Z info Kustomization/apps.flux-system: server-side apply completed\n", 10_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Text(text)
	}
}
