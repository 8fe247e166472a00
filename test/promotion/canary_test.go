package promotion

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// spy looks at the arguments and environments of all processes, again and again, until the returned
// function is called: that tells of canaries. The commands that a person starts are handed secrets in
// their environment; what they start must not be.
func spy(t *testing.T, canaries ...string) (end func()) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	seen, looked := map[string]bool{}, map[string]bool{}
	go func() {
		defer close(done)
		for {
			files, err := filepath.Glob("/proc/[0-9]*/cmdline")
			if err != nil {
				return
			}
			for _, file := range files {
				args, err := os.ReadFile(file)
				if err != nil || len(args) == 0 {
					continue // it has ended
				}
				name := filepath.Base(string(bytes.SplitN(args, []byte{0}, 2)[0]))
				looked[name] = true
				env, err := os.ReadFile(filepath.Join(filepath.Dir(file), "environ"))
				if err != nil {
					continue
				}
				started := bytes.HasPrefix(args, []byte(seatrial+"\x00promote")) || bytes.HasPrefix(args, []byte(seatrial+"\x00verify"))
				for _, canary := range canaries {
					if bytes.Contains(args, []byte(canary)) {
						seen["an argument of "+name] = true
					}
					if bytes.Contains(env, []byte(canary)) && !started {
						seen["the environment of "+name] = true
					}
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
			}
		}
	}()
	return func() {
		t.Helper()
		close(stop)
		<-done
		for where := range seen {
			t.Errorf("a secret was in %s", where)
		}
		for _, name := range []string{"git", "flux", "seatrial"} {
			if !looked[name] {
				t.Errorf("no process %s was seen: %v", name, strings.Join(keys(looked), " "))
			}
		}
	}
}

func keys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}
