package ondemand

import "testing"

func TestSatisfy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		asked, filter string
		preferred     []string
		want          string
	}{
		{asked: "1.2.3", want: "1.2.3"},
		{asked: "v1.2.3", want: "v1.2.3"},
		{asked: "1.2.3-rc.1", want: "1.2.3-rc.1"},
		{asked: "", want: "1.0.0"},
		{asked: "*", preferred: []string{"4.5.6"}, want: "4.5.6"},
		{asked: "1.2.x", want: "1.2.0"},
		{asked: "7.*", want: "7.0.0"},
		{asked: "~1.4", want: "1.4.0"},
		{asked: "^2", want: "2.0.0"},
		{asked: ">1.4.2", want: "1.4.3"},
		{asked: "<2.0.0", want: "1.0.0"},
		{asked: "<0.3.0", want: "0.2.0"},
		{asked: ">=1.4.0 <1.4.1", want: "1.4.0"},
		{asked: "!=1.0.0 <=1.0.1", want: "1.0.1"},
		{asked: ">=3 || 1.1.1", preferred: []string{"2.0.0", "1.1.1"}, want: "1.1.1"},
		{asked: ">= 1.0.0-0", want: "1.0.0-0"},
		{asked: ">=1.0.0-0", filter: `-rc`, want: "1.0.0-rc.1"},
		{asked: ">=1.0.0", filter: `^v`, want: "v1.0.0"},
		{asked: ">2 <1", want: ""},
		{asked: "not a version", want: ""},
		{asked: ">=1.0.0", filter: `(`, want: ""},
		{asked: "999999999999999999999", want: ""},
	} {
		if got := satisfy(c.asked, c.filter, c.preferred...); got != c.want {
			t.Errorf("%q %q %v: got %q, want %q", c.asked, c.filter, c.preferred, got, c.want)
		}
	}
}
