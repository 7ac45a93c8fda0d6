#!/bin/sh
# The life of a service by the command line: first deployment, new image, an image that is not there, back, away.
#   npm start            in one terminal
#   examples/life-with-slipway.sh            in another: it finds the service, and the embedded issuer's token, by itself
set -eu

slipway="${SLIPWAY:-npx slipway}"
name=${NAME:-life-with-slipway}
target=${TARGET:-demo}
first=${FIRST_IMAGE:-myregistry.azurecr.io/my-app:v1.0}
next=${NEXT_IMAGE:-myregistry.azurecr.io/web-app:1.4.2}
missing=${MISSING_IMAGE:-myregistry.azurecr.io/web-app:not-there}

$slipway plan --name "$name" --target "$target" --image "app=$first"
$slipway deploy --name "$name" --target "$target" --image "app=$first" --wait
$slipway images "$target:$name" "app=$next" --wait

status=0
$slipway images "$target:$name" "app=$missing" --wait || status=$?
[ "$status" = 1 ] || { echo "$missing should not be there" >&2; exit 1; }

$slipway rollback "$target:$name" --revision 1 --wait
$slipway revisions "$target:$name"
$slipway logs "$target:$name"
$slipway delete "$target:$name" --wait
