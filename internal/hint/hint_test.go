package hint

import (
	"errors"
	"fmt"
	"testing"
)

func TestHints(t *testing.T) {
	cause := errors.New("no such key")
	wrapped := fmt.Errorf("read the repo: %w", Wrap(cause, "give another"))
	for _, c := range []struct {
		err        error
		text, hint string
	}{
		{New("no key", "give one"), "no key", "give one"},
		{wrapped, "read the repo: no such key", "give another"},
		{Wrap(wrapped, "nearer"), "read the repo: no such key", "nearer"},
		{errors.Join(cause, New("b", "of b")), "no such key\nb", "of b"},
		{cause, "no such key", ""},
	} {
		if c.err.Error() != c.text || Of(c.err) != c.hint {
			t.Errorf("got %q, hint %q; want %q, %q", c.err, Of(c.err), c.text, c.hint)
		}
	}
	if !errors.Is(wrapped, cause) {
		t.Error("a hint hides the error it is about")
	}
	if Wrap(nil, "x") != nil {
		t.Error("a hint alone is no error")
	}
}
