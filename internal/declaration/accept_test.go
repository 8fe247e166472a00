package declaration

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/finding"
)

func on(code finding.Code, severity finding.Severity, object string) finding.Finding {
	return finding.Finding{Code: code, Severity: severity, Layer: "apps", Object: object, Message: "it broke"}
}

func TestExcuse(t *testing.T) {
	day := func(text string) time.Time {
		d, err := time.Parse(time.DateTime, text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	entry := func(code finding.Code, object string, until Day, line int) Acceptance {
		return Acceptance{Code: code, Object: object, Reason: " known\n", Until: until, Line: line}
	}
	excused := func(f finding.Finding, until string) finding.Finding {
		f.Accepted, f.Severity = finding.Accepted{Reason: "known", Until: until, Severity: f.Severity}, finding.Warning
		return f
	}
	over := func(f finding.Finding, said string) finding.Finding { f.Message += said; return f }
	web := on(finding.HelmFailed, finding.Error, "HelmRelease/apps/web")
	for name, c := range map[string]struct {
		accept []Acceptance
		found  finding.Finding
		today  string
		want   finding.Finding
	}{
		"an error":              {[]Acceptance{entry(finding.HelmFailed, "HelmRelease/apps/web", "2027-01-31", 3)}, web, "2027-01-01 00:00:00", excused(web, "2027-01-31")},
		"a warning":             {[]Acceptance{entry(finding.UnknownValue, "HelmRelease/*/web", "2027-01-31", 3)}, on(finding.UnknownValue, finding.Warning, "HelmRelease/apps/web"), "2027-01-01 00:00:00", excused(on(finding.UnknownValue, finding.Warning, "HelmRelease/apps/web"), "2027-01-31")},
		"its last day":          {[]Acceptance{entry(finding.HelmFailed, "*/*/*", "2027-01-31", 3)}, web, "2027-01-31 23:59:59", excused(web, "2027-01-31")},
		"the day after":         {[]Acceptance{entry(finding.HelmFailed, "*/*/*", "2027-01-31", 3)}, web, "2027-02-01 00:00:00", over(web, " (it was accepted until 2027-01-31: .seatrial.yaml:3)")},
		"over, and renewed":     {[]Acceptance{entry(finding.HelmFailed, "*/*/*", "2027-01-31", 3), entry(finding.HelmFailed, "*/*/web", "2028-01-31", 9)}, web, "2027-02-01 00:00:00", excused(web, "2028-01-31")},
		"another code":          {[]Acceptance{entry(finding.ApplyFailed, "HelmRelease/apps/web", "2027-01-31", 3)}, web, "2027-01-01 00:00:00", web},
		"another object":        {[]Acceptance{entry(finding.HelmFailed, "HelmRelease/apps/db", "2027-01-31", 3)}, web, "2027-01-01 00:00:00", web},
		"a part of a name":      {[]Acceptance{entry(finding.HelmFailed, "HelmRelease/apps/we", "2027-01-31", 3)}, web, "2027-01-01 00:00:00", web},
		"no part is left out":   {[]Acceptance{entry(finding.HelmFailed, "HelmRelease/*", "2027-01-31", 3)}, web, "2027-01-01 00:00:00", web},
		"it is about no object": {[]Acceptance{entry(finding.HelmFailed, "*", "2027-01-31", 3)}, on(finding.HelmFailed, finding.Error, ""), "2027-01-01 00:00:00", on(finding.HelmFailed, finding.Error, "")},
		"it can't be accepted":  {[]Acceptance{entry(finding.TooLarge, "*/*/*", "2027-01-31", 3)}, on(finding.TooLarge, finding.Error, "HelmRelease/apps/web"), "2027-01-01 00:00:00", on(finding.TooLarge, finding.Error, "HelmRelease/apps/web")},
		"nothing is accepted":   {nil, web, "2027-01-01 00:00:00", web},
	} {
		given := []finding.Finding{c.found}
		if got := (Declaration{Accept: c.accept}).Excuse(given, day(c.today)); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: got\n%+v, want\n%+v", name, got, c.want)
		}
		if given[0] != c.found {
			t.Errorf("%s: the list that was given is changed", name)
		}
	}
	// What is still an error comes first.
	all := []finding.Finding{on(finding.HelmFailed, finding.Error, "A/a/a"), on(finding.ApplyFailed, finding.Error, "B/b/b")}
	if got := (Declaration{Accept: []Acceptance{entry(finding.HelmFailed, "A/a/a", "2027-01-31", 3)}}).Excuse(all, day("2027-01-01 00:00:00")); got[0] != all[1] || !got[1].Excused() {
		t.Errorf("got %+v", got)
	}
}

func TestStale(t *testing.T) {
	d := Declaration{Accept: []Acceptance{
		{Code: finding.HelmFailed, Object: "HelmRelease/apps/*", Line: 3},
		{Code: finding.PlaintextSecret, Object: "Secret/apps/*", Line: 7},
		{Code: finding.SOPSRecipient, Object: "Secret/apps/key", Line: 11},
	}}
	lines := func(found []finding.Finding) (out []int) {
		for _, f := range found {
			if f.Code != finding.StaleAcceptance || f.Severity != finding.Warning || f.File != File || f.Fix == "" {
				t.Errorf("%+v", f)
			}
			out = append(out, f.Line)
		}
		return out
	}
	helm, secret := on(finding.HelmFailed, finding.Warning, "HelmRelease/apps/web"), on(finding.PlaintextSecret, finding.Warning, "Secret/apps/web")
	for _, c := range []struct {
		found []finding.Finding
		live  bool
		want  []int
	}{
		{nil, true, []int{3, 7}},
		{nil, false, []int{7}}, // what only a cluster shows is not missed without one
		{[]finding.Finding{helm, secret}, true, nil},
		{[]finding.Finding{secret}, false, nil},
		{[]finding.Finding{helm}, true, []int{7}},
	} {
		if got := lines(d.Stale(c.found, c.live)); !slices.Equal(got, c.want) {
			t.Errorf("of %v, live %v: lines %v, want %v", c.found, c.live, got, c.want)
		}
	}
	if got := (Declaration{}).Stale([]finding.Finding{helm}, true); !reflect.DeepEqual(got, []finding.Finding(nil)) {
		t.Errorf("got %+v", got)
	}
}
