#!/bin/sh
# The life of a service with nothing but curl: first deployment, new image, an image that is not there, back, away.
#   SLIPWAY_URL=http://127.0.0.1:8080 SLIPWAY_TOKEN=$(npm run -s token) examples/life-with-curl.sh
set -eu

name=${NAME:-life-with-curl}
target=${TARGET:-demo}
first=${FIRST_IMAGE:-myregistry.azurecr.io/my-app:v1.0}
next=${NEXT_IMAGE:-myregistry.azurecr.io/web-app:1.4.2}
missing=${MISSING_IMAGE:-myregistry.azurecr.io/web-app:not-there}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
changes=0

# The token goes in by standard input: what stands on a command line can be read by others.
slipway() {
  printf 'header = "Authorization: Bearer %s"\n' "$SLIPWAY_TOKEN" |
    curl -sS -K - --fail-with-body --retry 60 --retry-max-time 1900 "$@"
}

# METHOD PATH [BODY]: asks for a change and waits for its end; a retry has the same key, and does nothing twice.
change() {
  changes=$((changes + 1))
  slipway -X "$1" "$SLIPWAY_URL$2" ${3:+-H 'Content-Type: application/json' -d "$3"} \
    -H "Idempotency-Key: $name-$$-$changes" -D "$work/headers" -o "$work/answer" || return 1
  operation=$(tr -d '\r' <"$work/headers" | sed -n 's/^operation-location: *//Ip')
  slipway "$SLIPWAY_URL$operation/wait" -o "$work/answer"
}

say() { printf '%s\n' "$*"; }
why() { sed -n 's/.*"detail":"\([^"]*\)".*/\1/p' "$work/answer"; }

change POST /deployments '{ "name": "'"$name"'", "target": "'"$target"'", "containers": [ { "name": "app", "image": "'"$first"'" } ] }'
say "$first runs"

change POST "/deployments/$target:$name/images" '{ "app": "'"$next"'" }'
say "$next runs"

if change POST "/deployments/$target:$name/images" '{ "app": "'"$missing"'" }'; then
  say "$missing should not be there" >&2
  exit 1
fi
say "refused: $(why)"

change POST "/deployments/$target:$name/rollback" '{ "revision": 1 }'
say "$first runs again"

change DELETE "/deployments/$target:$name"
say 'it is gone'
