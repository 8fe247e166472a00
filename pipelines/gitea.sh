# Starts Gitea, makes the user seatrial and the private repo fleet, pushes the
# source folder's files, and ends it. What it made is in /data.
set -euo pipefail
/usr/bin/entrypoint /usr/bin/s6-svscan /etc/s6 &
for _ in $(seq 120); do
  ! curl -fsS -o /dev/null http://127.0.0.1:3000/api/healthz 2>/dev/null || break
  sleep 0.5
done
# The command takes a password as an argument only: one that nobody knows, and
# then the caller's through the API.
token=$(su-exec git gitea admin user create --admin --username seatrial --email seatrial@localhost \
  --random-password --must-change-password=false --access-token | sed -n 's/^Access token was successfully created\.\.\. //p')
api() {
  curl -fsS -o /dev/null --config <(printf 'header = "Authorization: token %s"\n' "$token") \
    -H 'Content-Type: application/json' --data @- "$@"
}
escaped=$(sed 's/\\/\\\\/g; s/"/\\"/g' /run/secrets/password | tr -d '\n')
printf '{"login_name": "seatrial", "source_id": 0, "password": "%s"}' "$escaped" |
  api -X PATCH http://127.0.0.1:3000/api/v1/admin/users/seatrial
printf '{"name": "fleet", "private": true, "default_branch": "main"}' |
  api http://127.0.0.1:3000/api/v1/user/repos
work=$(mktemp -d)
cp -a /src/. "$work"
rm -rf "$work/.git"
cd "$work"
git init -q -b main
git add --all
git -c user.name=seatrial -c user.email=seatrial@localhost commit -q -m 'the rehearsed tree'
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader
GIT_CONFIG_VALUE_0="Authorization: token $token" git push -q http://127.0.0.1:3000/seatrial/fleet.git main
cd /
rm -rf "$work"
# The token was for this script. Gitea has tokens deleted with the password only.
curl -fsS -o /dev/null -X DELETE --config <(printf 'user = "seatrial:%s"\n' "$escaped") \
  http://127.0.0.1:3000/api/v1/users/seatrial/tokens/gitea-admin
s6-svscanctl -t /etc/s6
wait
