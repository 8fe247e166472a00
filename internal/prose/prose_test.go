package prose

import "testing"

func TestProse(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Count(0, "layer"), "0 layers"},
		{Count(1, "layer"), "1 layer"},
		{Count(2, "layer"), "2 layers"},
		{FirstLine("\n a \nb"), "a "},
		{LastLine("a\n  b\n"), "b"},
		{LastLine("a"), "a"},
		{Brief("äöü\nb", 3), "äöü"},
		{Brief("äöüx", 3), "äöü…"},
		{Printable("a\tb\nä"), "a\tb\nä"},
		{Printable("\x1b[2J\x07\xff\uFFFD"), `\u001b[2J\u0007\xff` + "\uFFFD"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
