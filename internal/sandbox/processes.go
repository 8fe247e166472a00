package sandbox

import (
	"bytes"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// processes reads the memory of processes in /proc: of all, or of this one and those
// whose process group is one of groups.
func processes(proc fs.FS, all bool, groups []int) []usage {
	dirs, err := fs.ReadDir(proc, ".")
	if err != nil {
		return nil
	}
	var out []usage
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		stat, err := fs.ReadFile(proc, d.Name()+"/stat")
		if err != nil {
			continue // it has ended meanwhile
		}
		name, group, ok := parseStat(string(stat))
		if !ok || !all && pid != os.Getpid() && !slices.Contains(groups, group) {
			continue
		}
		statm, err := fs.ReadFile(proc, d.Name()+"/statm")
		if err != nil {
			continue
		}
		f := strings.Fields(string(bytes.TrimSpace(statm)))
		if len(f) < 3 {
			continue
		}
		resident, _ := strconv.ParseInt(f[1], 10, 64)
		shared, _ := strconv.ParseInt(f[2], 10, 64)
		out = append(out, usage{pid: pid, name: name, bytes: max(0, resident-shared) * int64(os.Getpagesize())})
	}
	return out
}

// parseStat reads a process's name and process group from its stat file. The name may
// contain anything, so it ends at the last bracket.
func parseStat(stat string) (name string, group int, ok bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return "", 0, false
	}
	f := strings.Fields(stat[end+1:])
	if len(f) < 3 {
		return "", 0, false
	}
	group, err := strconv.Atoi(f[2])
	return stat[open+1 : end], group, err == nil
}
