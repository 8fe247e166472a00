// Package ci tests the recipes: it takes their scripts out and runs them under
// the shell that the CI system would use, with a dagger that only notes what it
// was asked for and answers as a rehearsal would.
package ci_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// script is what a recipe runs on an occasion, and the shell's name and flags.
type script struct {
	shell []string
	text  string
}

var (
	githubShell = []string{"bash", "-e"}                             // without shell: in a step
	gitlabShell = []string{"sh", "-e"}                               // of Alpine's image
	jenkinsSh   = []string{"sh", "-xe"}                              // the sh step
	module      = "seatrial.dev/seatrial@v0.2.0"                     // as in the recipes
	checking    = "-m " + module + " call --source=. check"          // on a push
	rehearsing  = "-m " + module + " call --source=. verify outputs" // on a pull request
)

func read(t *testing.T, file string, into any) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := yaml.Unmarshal(b, into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return string(b)
}

// workflow is GitHub's format, which Gitea and Forgejo share.
type workflow struct {
	On   map[string]any    `yaml:"on"`
	Env  map[string]string `yaml:"env"`
	Jobs map[string]struct {
		If          string `yaml:"if"`
		Environment string `yaml:"environment"`
		Steps       []struct {
			Name string         `yaml:"name"`
			Run  string         `yaml:"run"`
			Uses string         `yaml:"uses"`
			With map[string]any `yaml:"with"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

func (w workflow) script(t *testing.T, job string) script {
	t.Helper()
	for _, s := range w.Jobs[job].Steps {
		if s.Name == job {
			return script{githubShell, s.Run}
		}
	}
	t.Fatalf("no step %s", job)
	return script{}
}

// recipes are all scripts, by system and occasion.
func recipes(t *testing.T) map[string]script {
	t.Helper()
	out := map[string]script{}
	for _, name := range []string{"github", "gitea"} {
		var w workflow
		read(t, name+".yaml", &w)
		for _, job := range []string{"check", "rehearse", "promote"} {
			out[name+" "+job] = w.script(t, job)
		}
	}
	var gitlab map[string]struct {
		Script []string `yaml:"script"`
	}
	read(t, "gitlab.yaml", &gitlab)
	for _, job := range []string{"check", "rehearse", "promote"} {
		out["gitlab "+job] = script{gitlabShell, strings.Join(gitlab[job].Script, "\n")}
	}
	jenkins := read(t, "Jenkinsfile", nil)
	steps := regexp.MustCompile(`(?s)stage\('(\w+)'\).*?sh '''(.*?)'''`).FindAllStringSubmatch(jenkins, -1)
	for _, s := range steps {
		out["jenkins "+s[1]] = script{jenkinsSh, s[2]}
	}
	return out
}

// run runs a script in an empty folder, with a dagger that reports verdict, and
// returns its exit code, what dagger was asked for, and the job summary.
func run(t *testing.T, s script, verdict string) (code int, asked, summary string) {
	t.Helper()
	dir := t.TempDir()
	dagger := `#!/bin/sh
echo "$*" >>"$ASKED"
for arg; do
  case $arg in --path=*)
    mkdir -p "${arg#--path=}" && cd "${arg#--path=}"
    [ -n "$VERDICT" ] || exit 0 # it could not be run: there is no report
    printf '{\n  "verdict": "%s",\n}\n' "$VERDICT" >report.json
    echo "## Seatrial: $VERDICT" >summary.md ;;
  esac
done
`
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "dagger"), []byte(dagger), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, []byte(s.text), 0o644); err != nil {
		t.Fatal(err)
	}
	// What an earlier run left must not pass for this one's.
	work := filepath.Join(dir, "clone")
	if err := os.MkdirAll(filepath.Join(work, "seatrial-report"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "seatrial-report", "report.json"), []byte(`{"verdict": "pass"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(s.shell[0], append(slices.Clone(s.shell[1:]), file)...)
	cmd.Dir = work
	cmd.Env = []string{
		"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "SEATRIAL_MODULE=" + module, "VERDICT=" + verdict,
		"ASKED=" + filepath.Join(dir, "asked"), "GITHUB_STEP_SUMMARY=" + filepath.Join(dir, "summary"),
		"RUNNER_TEMP=" + dir, "WORKSPACE_TMP=" + dir, "CI_PROJECT_DIR=" + work, "SEATRIAL_TARGET=production",
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name string
		into *string
	}{{"asked", &asked}, {"summary", &summary}} {
		if b, err := os.ReadFile(filepath.Join(dir, f.name)); err == nil {
			*f.into = string(b)
		}
	}
	return code, asked, summary + string(out)
}

func TestRecipes(t *testing.T) {
	all := recipes(t)
	if len(all) < 8 {
		t.Fatalf("only %d scripts were found", len(all))
	}
	for name, s := range all {
		if strings.HasSuffix(name, "check") {
			if code, asked, _ := run(t, s, "pass"); code != 0 || !strings.HasPrefix(asked, checking) {
				t.Errorf("%s: exit %d, dagger %s", name, code, asked)
			}
			continue
		}
		if strings.HasSuffix(name, "install") {
			continue
		}
		if strings.HasSuffix(name, "promote") {
			testPromote(t, name, s)
			continue
		}
		for verdict, fails := range map[string]bool{"pass": false, "pass-with-accepted": false, "pass-or-so": true, "fail": true, "inconclusive": true, "": true} {
			code, asked, summary := run(t, s, verdict)
			if (code != 0) != fails || !strings.HasPrefix(asked, rehearsing) || verdict != "" && !strings.Contains(summary, "## Seatrial: "+verdict) {
				t.Errorf("%s, verdict %q: exit %d, dagger %s, summary %s", name, verdict, code, asked, summary)
			}
		}
	}
}

// testPromote runs a script that promotes: only what passed is, with its evidence; nothing is written into the clone.
func testPromote(t *testing.T, name string, s script) {
	t.Helper()
	for verdict, fails := range map[string]bool{"pass": false, "pass-with-accepted": false, "pass-or-so": true, "fail": true, "inconclusive": true, "": true} {
		code, asked, _ := run(t, s, verdict)
		calls := strings.Split(strings.TrimSpace(asked), "\n")
		if (code != 0) != fails || !strings.HasPrefix(calls[0], "-m "+module+" call --source=. verify --signing-key=env:SEATRIAL_SIGNING_KEY") {
			t.Errorf("%s, verdict %q: exit %d, dagger %s", name, verdict, code, asked)
		}
		promotes := len(calls) == 2 && strings.Contains(calls[1], " promote --to=production --kubeconfig=env:SEATRIAL_KUBECONFIG --evidence=")
		if promotes == fails {
			t.Errorf("%s, verdict %q: dagger %s", name, verdict, asked)
		}
		if strings.Contains(asked, "/clone/seatrial") {
			t.Errorf("%s writes into the clone: %s", name, asked)
		}
	}
}

// Each recipe checks pushes, rehearses pull requests, and hands the results on.
func TestWiring(t *testing.T) {
	for _, name := range []string{"github", "gitea"} {
		var w workflow
		text := read(t, name+".yaml", &w)
		_, push := w.On["push"]
		_, pull := w.On["pull_request"]
		if !push || !pull || !strings.Contains(w.Jobs["check"].If, "push") || !strings.Contains(w.Jobs["rehearse"].If, "pull_request") {
			t.Errorf("%s: on %v, %+v", name, w.On, w.Jobs)
		}
		if job := w.Jobs["promote"]; job.Environment != "production" || !strings.Contains(job.If, "refs/heads/main") || strings.Contains(job.If, "pull_request") {
			t.Errorf("%s: promote is not protected: %+v", name, job)
		}
		if w.Env["SEATRIAL_MODULE"] != module || !strings.Contains(text, "upload-artifact") || !strings.Contains(text, "GITHUB_STEP_SUMMARY") {
			t.Errorf("%s: the module, the artifact or the summary is missing", name)
		}
	}
	for file, wanted := range map[string][]string{
		"github.yaml": {"report_paths: seatrial-report/junit.xml"},
		"gitlab.yaml": {"junit: seatrial-report/junit.xml", `== "push"`, `== "merge_request_event"`, "when: always", "when: manual", "environment: production"},
		"Jenkinsfile": {"junit testResults: 'seatrial-report/junit.xml'", "changeRequest()", "archiveArtifacts", "input { message", "branch 'main'"},
	} {
		text := read(t, file, nil)
		for _, w := range wanted {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q", file, w)
			}
		}
	}
}

// The Task runs the command itself, in bash, with Go's own exit code.
func TestTekton(t *testing.T) {
	var task struct {
		Spec struct {
			Steps []struct {
				Script string `yaml:"script"`
			} `yaml:"steps"`
		} `yaml:"spec"`
	}
	read(t, "tekton.yaml", &task)
	for verdict, want := range map[string]int{"pass": 0, "fail": 2} {
		dir := t.TempDir()
		// go install makes a seatrial that answers; GOBIN is in the test's folder.
		golang := `#!/bin/sh
[ "$1 $2" = "install $SEATRIAL" ] || exit 9
mkdir -p "$GOBIN"
cat >"$GOBIN/seatrial" <<'END'
#!/bin/sh
echo "$*" >>"$ASKED"
case "$*" in *verify*) ;; *) exit 0 ;; esac
case "$*" in *--report*)
printf '{\n  "verdict": "%s",\n}\n' "$ANSWER" >seatrial-report/report.json
echo "## $ANSWER" >seatrial-report/summary.md ;;
esac
[ "$ANSWER" = pass ] || exit 2
END
chmod +x "$GOBIN/seatrial"
`
		if err := os.WriteFile(filepath.Join(dir, "go"), []byte(golang), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"check", "verify", "promote"} {
			cmd := exec.Command("bash", "-c", strings.ReplaceAll(task.Spec.Steps[0].Script, "/tmp/bin", dir+"/bin"))
			cmd.Dir = dir
			cmd.Env = []string{
				"PATH=" + dir + ":" + os.Getenv("PATH"), "ANSWER=" + verdict, "ASKED=" + filepath.Join(dir, "asked-"+verb),
				"SEATRIAL=seatrial.dev/seatrial/cmd/seatrial@v0.2.0", "VERB=" + verb, "CACHE=", "TARGET=production", "SECRETS=/secrets", "VERDICT=" + filepath.Join(dir, "verdict"),
			}
			out, _ := cmd.CombinedOutput() // the code is looked at
			code := cmd.ProcessState.ExitCode()
			if verb == "check" && code != 0 || verb != "check" && code != want {
				t.Errorf("%s of %s: exit %d\n%s", verb, verdict, code, out)
			}
			if got := read(t, filepath.Join(dir, "verdict"), nil); verb == "verify" && got != verdict {
				t.Errorf("result %q, want %q", got, verdict)
			}
			asked := read(t, filepath.Join(dir, "asked-"+verb), nil)
			if verb == "promote" {
				promotes := strings.Contains(asked, "\npromote --to production --evidence /tmp/evidence.jsonl")
				if !strings.HasPrefix(asked, "verify --attest /tmp/evidence.jsonl --signing-key /secrets/signing.key") || promotes != (verdict == "pass") {
					t.Errorf("promote of %s: seatrial %s", verdict, asked)
				}
			} else if !strings.HasPrefix(asked, verb) {
				t.Errorf("%s: seatrial %s", verb, asked)
			}
		}
	}
}

// Renovate finds every pin that says so: a pattern that does not match would let
// a version grow old in silence. What is pinned in two places is so at one version.
func TestRenovateFindsThePins(t *testing.T) {
	var config struct {
		CustomManagers []struct {
			ManagerFilePatterns []string `json:"managerFilePatterns"`
			MatchStrings        []string `json:"matchStrings"`
		} `json:"customManagers"`
	}
	b, err := os.ReadFile("../renovate.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &config); err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	pinned := map[string]map[string]string{} // files by name and version
	comments := map[string]int{}
	err = fs.WalkDir(os.DirFS(".."), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(file, ".git/") {
			return err
		}
		for _, m := range config.CustomManagers {
			if !slices.ContainsFunc(m.ManagerFilePatterns, func(p string) bool { return regexp.MustCompile(strings.Trim(p, "/")).MatchString(file) }) {
				continue
			}
			text, err := os.ReadFile(filepath.Join("..", file))
			if err != nil {
				return err
			}
			comments[file] = strings.Count(string(text), "renovate: datasource=") - strings.Count(string(text), "depName=[[") // those are the template's
			for _, match := range m.MatchStrings {
				re := regexp.MustCompile(match)
				for _, pin := range re.FindAllStringSubmatch(string(text), -1) {
					found[file]++
					name := pin[re.SubexpIndex("depName")]
					version, _, _ := strings.Cut(pin[re.SubexpIndex("currentValue")], "-") // of whatever variant
					if pinned[name] == nil {
						pinned[name] = map[string]string{}
					}
					pinned[name][version] = file
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for file, n := range comments {
		if strings.HasSuffix(file, "_test.go") || n == found[file] {
			continue
		}
		t.Errorf("%s: %d pins, Renovate finds %d", file, n, found[file])
	}
	for name, versions := range pinned {
		if len(versions) > 1 {
			t.Errorf("%s is pinned at several versions: %v", name, versions)
		}
	}
	if len(found) < 10 {
		t.Errorf("only %d files with pins: %v", len(found), found)
	}
}
