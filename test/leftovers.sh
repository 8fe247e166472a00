#!/usr/bin/env bash
# leftovers.sh SEATRIAL: kills a rehearsal with SIGKILL at random moments and
# fails if a process, namespace, mount or file of it is left.
# SEATRIAL_KILLS says how often (20).
set -euo pipefail
seatrial=$(realpath "$1")
kills=${SEATRIAL_KILLS:-20}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp" "$work/cwd"
cd "$work/cwd"

# What a machine holds besides the run's own working folder.
processes() { pgrep -f "^($seatrial|seatrial-|.*/engine/.*/bin/)" || true; }
namespaces() { for ns in net pid mnt ipc user; do readlink /proc/[0-9]*/ns/$ns 2>/dev/null || true; done | sort -u; }
mounts() { sort /proc/self/mounts; }
# /tmp belongs to everyone: the run's own temporary files go to $work/tmp.
files() {
  {
    find "$work/tmp" "$work/cwd"
    find /dev/shm /var/tmp /run /mnt /srv /media /home -xdev -maxdepth 1
    find /tmp -maxdepth 1 '(' -name 'seatrial-[0-9]*' -o -name 'hostpath*' ')'
  } 2>/dev/null || true
}

before_mounts=$(mounts); before_files=$(files); before_processes=$(processes); before_namespaces=$(namespaces)
failures=0
for ((i = 1; i <= kills; i++)); do
  TMPDIR="$work/tmp" "$seatrial" verify >"$work/log" 2>&1 &
  pid=$!
  # From the first instant to the midst of the layers.
  delay=$((RANDOM % 13)).$((RANDOM % 10))
  sleep "$delay"
  kill -9 "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  # The kernel takes a moment to reap a process tree.
  for _ in $(seq 50); do
    left=$(comm -13 <(echo "$before_processes" | sort) <(processes | sort))
    gone_ns=$(comm -13 <(echo "$before_namespaces") <(namespaces))
    [ -z "$left$gone_ns" ] && break
    sleep 0.1
  done
  for what in processes namespaces mounts files; do
    var=before_$what
    new=$(comm -13 <(echo "${!var}" | sort) <($what | sort))
    if [ -n "$new" ]; then
      echo "kill $i after ${delay}s left $what:"; echo "$new"
      failures=$((failures + 1))
    fi
  done
  echo "kill $i after ${delay}s: $(tail -n 1 "$work/log" | tr -d '\r' | cut -c1-80)"
done
echo "$((kills - failures)) passed, $failures failed"
[ "$failures" = 0 ]
