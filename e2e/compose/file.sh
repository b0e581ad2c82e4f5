#!/bin/sh
# Shows a file of the compose cluster's /farm: root.token, ca.crt. Its images
# have no cat.
set -eu
container=$("$(dirname "$0")/compose.sh" ps -q cb-1)
[ -n "$container" ] || { echo "The cluster is not there: make up starts it." >&2; exit 1; }
"${DOCKER:-docker}" cp "$container":/farm/"$1" - | tar -xO
