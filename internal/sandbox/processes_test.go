package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"
)

func TestParseStat(t *testing.T) {
	for stat, want := range map[string]struct {
		name  string
		group int
		ok    bool
	}{
		"11 (sh) S 1 12 11 0 -1": {"sh", 12, true}, "11 () R 1 0": {"", 0, true},
		"11 (a) R 1 99 (b)) S 1 12 11": {"a) R 1 99 (b)", 12, true}, // a process can't fake its group by its name
		"11 (a\nb c) S 1 12":           {"a\nb c", 12, true},
		"":                             {}, "11 sh S 1 12": {}, "11 )sh( S 1 12": {}, "11 (sh) S 1": {},
	} {
		name, group, ok := parseStat(stat)
		if name != want.name || group != want.group || ok != want.ok {
			t.Errorf("%q: got %q, %d, %v, want %+v", stat, name, group, ok, want)
		}
	}
	if _, _, ok := parseStat("11 (sh) S 1 x"); ok {
		t.Error("a group that is no number is believed")
	}
}

// ended is a /proc in which processes have ended after they were listed.
type ended struct{ fstest.MapFS }

func (e ended) ReadFile(name string) ([]byte, error) {
	if name == "12/statm" || name == "13/stat" {
		return nil, fs.ErrNotExist
	}
	return e.MapFS.ReadFile(name)
}

// Processes that have ended meanwhile are left out; numbers that make no sense count as 0.
func TestOddProcesses(t *testing.T) {
	stat := func(n string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(n + " (p) S 1 1 1")} }
	statm := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	proc := ended{fstest.MapFS{
		"11/stat": stat("11"), "11/statm": statm("9 5 2 0\n"), "12/stat": stat("12"), "12/statm": statm("9 5 2 0\n"), "13/stat": stat("13"), "13/statm": statm("9 5 2 0\n"),
		"14/stat": stat("14"), "14/statm": statm(""), "15/stat": stat("15"), "15/statm": statm("9 2 5 0\n"), // more is shared than there is
	}}
	got := processes(proc, true, nil)
	if len(got) != 2 || got[0] != (usage{11, "p", 3 * int64(os.Getpagesize())}) || got[1] != (usage{15, "p", 0}) {
		t.Errorf("got %+v", got)
	}
	if got := processes(noProc{}, true, nil); got != nil {
		t.Errorf("without a /proc: got %+v", got)
	}
}

type noProc struct{}

func (noProc) Open(string) (fs.File, error) { return nil, errors.New("none") }
