package spelling

import "testing"

func TestHolds(t *testing.T) {
	for text, want := range map[string]bool{
		"--secret-name=web-tls": true, "web-tls": true, "oci://WEB-TLS/x": true, "a web-tls, b": true, "web-tls-2 and web-tls": true,
		"": false, "web-tls-2": false, "my-web-tls": false, "web-tls.example": false, "xweb-tls": false,
	} {
		if got := Holds(text, "web-tls"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if Holds("anything", "") {
		t.Error("everything holds nothing")
	}
}
