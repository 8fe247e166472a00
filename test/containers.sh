#!/usr/bin/env bash
# containers.sh [TEST...]: the Dagger module and the kind tier, end to end, on a
# machine with Docker and dagger. On one that reaches no registry, SEATRIAL_RIG names
# a folder of scripts that provide both (../shared/rig is found by itself); what has to
# be different then is configuration, and all of it is in this file.
# Without Docker and without such scripts there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
rig=${SEATRIAL_RIG:-$root/../shared/rig}
work=$(mktemp -d)
scratch='' # the kind cluster of test_existing
kept=''    # the one of test_kind_kept
clean_up() {
  [ -z "$kept" ] || "$work/seatrial" down "$kept"
  rm -rf "$work"
  remove_scratch
}
remove_scratch() {
  [ -n "$scratch" ] || return 0
  docker exec "$scratch-control-plane" systemctl stop kubelet
  kind delete cluster --quiet --name "$scratch"
  scratch=''
}
trap clean_up EXIT
kind_flags=()   # of the command
module_flags=() # of the module's constructor
kind_options=() # of the module's verify
engine=$HOME/.cache/seatrial/engine

say() { printf '\n== %s\n' "$*" >&2; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# with_rig: images under their real names, or under the tags that it has.
with_rig() {
  eval "$("$rig/docker-up")"
  # From nothing this takes an hour, for which a CI run may have no time.
  timeout "${SEATRIAL_SETUP_SECONDS:-infinity}" sh -ec '"$0/images"; "$0/dagger-up" >/dev/null' "$rig" || {
    [ "$?" = 124 ] || fail "the images or dagger can't be built"
    say "the images were not ready in time: the container tests are left out"
    exit 0
  }
  eval "$("$rig/dagger-up")"
  make_room
  local go_version docker_cli mirror
  mirror=http://$(ip -4 -o addr show docker0 | awk '{ sub("/.*", "", $4); print $4 }'):5080
  go_version=$(go env GOVERSION)
  docker tag golang:1.26-bookworm "golang:${go_version#go}-bookworm"
  docker_cli=$(sed -n 's/.*"docker.io\/library\/\(docker:.*-cli\)".*/\1/p' pipelines/images.go)
  cp -L "$(command -v docker)" "$work/docker"
  printf 'FROM debian:bookworm-slim\nCOPY docker /usr/local/bin/docker\n' >"$work/Dockerfile"
  docker build -q -t "$docker_cli" "$work" >/dev/null
  "$rig/dagger-push" "golang:${go_version#go}-bookworm" "$docker_cli" gitea/gitea:1.26.4
  kind_flags=(--node-image=kindest/node:v1.36.3 --pod-image=busybox:1.36 --kapp-controller-image=ghcr.io/carvel-dev/kapp-controller:v0.50.0)
  module_flags=("--go-image=golang:${go_version#go}-bookworm" --pod-image=busybox:1.36 --kapp-controller-image=ghcr.io/carvel-dev/kapp-controller:v0.50.0)
  # The nodes pull from the registry that the module's images come from, too.
  kind_options=(--node-image=kindest/node:v1.36.3 --registry-mirror="docker.io=$mirror" --registry-mirror="ghcr.io=$mirror")
  "$rig/dagger-push" busybox:1.36 ghcr.io/fluxcd/{flux-cli:v2.9.5,source-controller:v1.9.5,kustomize-controller:v1.9.5,helm-controller:v1.6.4,notification-controller:v1.9.4} ghcr.io/carvel-dev/kapp-controller:v0.50.0
}

# make_room: the engine's cache grows by gigabytes with each run, and a node that finds
# the disk full can't take its images.
make_room() {
  [ "$(df --output=avail -k "$HOME" | tail -n 1)" -gt $((20 << 20)) ] ||
    timeout 600 dagger --progress=plain core engine local-cache prune >/dev/null 2>&1 ||
    fail "the disk is nearly full, and the cache of Dagger's engine can't be pruned"
}

set_up() {
  if [ -x "$rig/docker-up" ]; then
    with_rig
  elif ! docker info >/dev/null 2>&1 || ! command -v dagger >/dev/null; then
    say "no Docker or no dagger here: the container tests are left out"
    exit 0
  fi
  go build -o "$work/seatrial" ./cmd/seatrial
  "$work/seatrial" engine build
  mkdir "$work/empty"
}

# call ARGUMENT...: dagger call; it would hang for ever if its engine died.
call() { timeout --kill-after=10 1500 dagger --progress=plain call "${module_flags[@]}" --engine="$engine" "$@"; }

seatrial() { (cd "$work/empty" && "$work/seatrial" "$@"); }

# codes REPORT: what was found, in an order of its own; blind spots, which have codes as well, differ by tier.
codes() { sed '/^  "blindSpots": \[/,/^  \]/d' "$1" | sed -n 's/^ *"\(code\|layer\|object\)": "\(.*\)",\{0,1\}$/\2/p' | paste -sd' ' | sed 's/ \([a-z-]*-[a-z-]* \)/\n\1/g' | sort; }

# leftovers: what a kind rehearsal could leave.
leftovers() {
  docker ps -a --format '{{.Names}}' | grep '^seatrial-' || true
  docker network ls --format '{{.Name}}' | grep '^seatrial-' || true
  docker volume ls -q
  find /tmp /var/tmp /dev/shm -maxdepth 1 -name 'seatrial-[0-9]*' 2>/dev/null || true
}

# left BEFORE: what is left that was not there before.
left() { comm -13 <(sort <<<"$1") <(leftovers | sort); }

test_functions() {
  (cd "$root" && timeout 300 dagger functions) >"$work/out" 2>"$work/log" || fail "dagger functions: $(tail -n 5 "$work/log")"
  local name
  for name in check generate gitea images kubeconfig promote rehearse up verify; do
    grep -q "^[^ ]*$name " "$work/out" || fail "dagger functions does not list $name"
  done
}

test_example() { (cd examples/go && timeout 600 dagger functions >"$work/out" 2>"$work/log" && grep -q '^gate ' "$work/out") || fail "$(tail -n 20 "$work/log")"; }

test_module() { timeout 1500 dagger --progress=plain call -m tests --engine="$engine" all 2>"$work/log" || fail "$(tail -n 40 "$work/log")"; }

test_checks() {
  cp -r fixtures/repos/dependency-cycle "$work/faulty"
  call check 2>"$work/log" || fail "check: $(tail -n 20 "$work/log")"
  local code=0
  call --source="$work/faulty" check >"$work/out" 2>"$work/log" || code=$?
  [ "$code" = 1 ] || fail "check of a faulty repo: exit $code"
  grep -q 'dependency-cycle in layer' "$work/log" || fail "the finding is not on screen"
}

test_verify() {
  local code=0 file
  call verify outputs export --path="$work/outputs" 2>"$work/log" >/dev/null || fail "$(tail -n 20 "$work/log")"
  for file in report.json junit.xml summary.md logs; do [ -s "$work/outputs/$file" ] || fail "no $file"; done
  grep -q '"verdict": "pass"' "$work/outputs/report.json" || fail "the sample does not pass"
  call --source=fixtures/repos/package-lacks-rbac verify >"$work/out" 2>"$work/log" || code=$?
  [ "$code" = 1 ] || fail "verify of a faulty repo: exit $code"
  grep -q 'error: package-lacks-rbac in layer kapp' "$work/log" || fail "the finding is not on screen"
}

# A promotion from the module: the gate's refusal, which needs no cluster. test/promotion tries the rest.
test_promote() {
  local repo=$work/promoted code=0
  cp -r fixtures/repos/healthy "$repo"
  (cd "$repo" && "$work/seatrial" init --policy && git init -q -b main && git add -A && git -c user.name=a -c user.email=a@b commit -qm first && git remote add origin /src/.git) 2>"$work/log" || fail "$(cat "$work/log")"
  printf 'apiVersion: v1\nkind: Config\n' >"$work/kubeconfig"
  call --source="$repo" promote --to=production --kubeconfig="file://$work/kubeconfig" >"$work/out" 2>"$work/log" || code=$?
  [ "$code" = 1 ] || fail "promote without evidence: exit $code: $(tail -n 20 "$work/log")"
  grep -q 'there is no evidence for this very tree' "$work/log" || fail "the reason is not on screen: $(tail -n 20 "$work/log")"
  call --source="$repo" promote --to=production --kubeconfig="file://$work/kubeconfig" outcome >"$work/out" 2>"$work/log" || fail "$(tail -n 20 "$work/log")"
  grep -q refused "$work/out" || fail "outcome $(cat "$work/out")"
  call verify evidence export --path="$work/evidence.jsonl" >"$work/out" 2>"$work/log" || fail "$(tail -n 20 "$work/log")"
  "$work/seatrial" attest show "$work/evidence.jsonl" 2>/dev/null | grep -q '"result": "PASSED"' || fail "evidence $(head -c 300 "$work/evidence.jsonl")"
}

test_kind() {
  local before code=0
  before=$(leftovers)
  seatrial verify --cluster kind "${kind_flags[@]}" --report "$work/kind.json" --logs "$work/kind-logs" >"$work/out" 2>"$work/log" ||
    fail "the sample on kind: $(tail -n 40 "$work/log" "$work/out")"
  tail -n 1 "$work/out" >&2
  [ -z "$(left "$before")" ] || fail "left: $(left "$before")"
  # The same faults, with the same codes, as on the embedded tier.
  "$work/seatrial" verify fixtures/repos/many-faults --report "$work/embedded-faults.json" >/dev/null 2>&1 || code=$?
  [ "$code" = 1 ] || fail "many-faults on the embedded tier: exit $code"
  code=0
  "$work/seatrial" verify fixtures/repos/many-faults --cluster kind "${kind_flags[@]}" --report "$work/kind-faults.json" --logs "$work/fault-logs" >"$work/out" 2>"$work/log" || code=$?
  [ "$code" = 1 ] || fail "many-faults on kind: exit $code: $(tail -n 40 "$work/log")"
  diff <(codes "$work/embedded-faults.json") <(codes "$work/kind-faults.json") >&2 || fail "the tiers differ"
  ls "$work/fault-logs" >&2
  ls "$work"/fault-logs/describe-packageinstall-* "$work/fault-logs/events.txt" "$work/fault-logs/flux-get-all.txt" >/dev/null || fail "logs are missing"
  [ -z "$(left "$before")" ] || fail "left: $(left "$before")"
}

test_kind_killed() {
  local before pid
  before=$(leftovers)
  seatrial verify --cluster kind "${kind_flags[@]}" >/dev/null 2>&1 &
  pid=$!
  sleep $((30 + RANDOM % 60))
  pkill -9 -f "^$work/seatrial verify" || fail "it had ended"
  wait "$pid" 2>/dev/null || true
  seatrial verify --cluster kind "${kind_flags[@]}" >"$work/out" 2>"$work/log" || fail "after a kill: $(tail -n 40 "$work/log")"
  [ -z "$(left "$before")" ] || fail "left after a kill and another run: $(left "$before")"
}

test_kind_kept() {
  local before config
  before=$(leftovers)
  seatrial verify "$root/fixtures/repos/healthy" --cluster kind "${kind_flags[@]}" --keep >"$work/out" 2>"$work/log" || fail "with --keep: $(tail -n 40 "$work/log" "$work/out")"
  config=$(sed -n 's/.*export KUBECONFIG=//p' "$work/log")
  kept=$(sed -n 's/.*seatrial down //p' "$work/log")
  [ "$("$work/seatrial" down)" = "$kept" ] || fail "seatrial down does not list $kept"
  kubectl --kubeconfig "$config" -n flux-system wait kustomization --all --for=condition=Ready --timeout=60s >&2 || fail "the kept cluster can't be reached"
  [ "$("$work/seatrial" kubeconfig "$kept")" = "$(cat "$config")" ] || fail "seatrial kubeconfig differs from $config"
  "$work/seatrial" down "$kept"
  kept=''
  [ ! -e "$config" ] && [ -z "$(left "$before")" ] || fail "left after down: $config $(left "$before")"
}

# things KUBECONFIG: what of a cluster a rehearsal could leave behind.
things() { kubectl --kubeconfig "$1" get namespaces,crds,clusterroles,clusterrolebindings,apiservices,mutatingadmissionpolicies,mutatingadmissionpolicybindings -o name | sort; }

test_existing() {
  local config=$work/scratch.kubeconfig before code=0 image
  scratch=scratch
  kind create cluster --quiet --name scratch --image "${kind_flags[0]#*=}" --kubeconfig "$config" --wait 120s
  for image in gitea/gitea:1.26.4 busybox:1.36 ghcr.io/fluxcd/flux-cli:v2.9.5 ghcr.io/fluxcd/{source-controller:v1.9.5,kustomize-controller:v1.9.5,helm-controller:v1.6.4,notification-controller:v1.9.4} ghcr.io/carvel-dev/kapp-controller:v0.50.0; do
    ! docker image inspect "$image" >/dev/null 2>&1 || kind load docker-image --quiet --name scratch "$image"
  done
  before=$(things "$config")
  seatrial verify "$root/fixtures/repos/healthy" --cluster existing --kubeconfig "$config" "${kind_flags[@]:1}" --report "$work/existing.json" >"$work/out" 2>"$work/log" ||
    fail "in an existing cluster: $(tail -n 40 "$work/log" "$work/out")"
  [ "$(things "$config")" = "$before" ] || fail "left in the cluster: $(diff <(echo "$before") <(things "$config"))"
  # What is there already is not touched.
  kubectl --kubeconfig "$config" create namespace web >/dev/null
  seatrial verify "$root/fixtures/repos/healthy" --cluster existing --kubeconfig "$config" "${kind_flags[@]:1}" >"$work/out" 2>"$work/log" || code=$?
  [ "$code" = 2 ] && grep -q 'Namespace web' "$work/log" || fail "a namespace of the user's: exit $code, $(cat "$work/log")"
  kubectl --kubeconfig "$config" get namespace web >/dev/null || fail "the user's namespace is gone"
  kubectl --kubeconfig "$config" delete namespace web >/dev/null
  kubectl --kubeconfig "$config" apply -f fixtures/repos/bootstrapped/clusters/services/flux-system/gotk-components.yaml >/dev/null 2>&1 || true
  code=0
  seatrial verify "$root/fixtures/repos/healthy" --cluster existing --kubeconfig "$config" "${kind_flags[@]:1}" >"$work/out" 2>"$work/log" || code=$?
  [ "$code" = 2 ] && grep -q 'already has Flux' "$work/log" || fail "a cluster with Flux: exit $code, $(cat "$work/log")"
  remove_scratch
}

test_module_kind() {
  local before
  before=$(leftovers)
  call --docker="${DOCKER_HOST#unix://}" verify --cluster=kind "${kind_options[@]}" 2>"$work/log" || fail "$(tail -n 60 "$work/log")"
  [ -z "$(left "$before")" ] || fail "left: $(left "$before")"
}

main() {
  local all=(functions example checks verify module kind kind_kept kind_killed existing module_kind) name began
  [ $# -gt 0 ] || set -- "${all[@]}"
  set_up
  for name; do
    began=$SECONDS
    "test_$name"
    say "$name: passed in $((SECONDS - began)) s"
  done
}

main "$@"
