#!/bin/sh
# Starts the compose cluster and waits until every Provider is connected.
set -eu
here=$(dirname "$0")
"$here/compose.sh" up -d --no-build
"$here/compose.sh" exec -T cb-1 quorate await --site hq --token-file /farm/root.token
cat <<EOF

The Site hq is up. Each broker's API and Swagger UI: https://localhost:8080/swagger/ to :8083.
Their certificates are signed by an authority of this cluster's own.

  make token   shows the root token
  make demo    kills a broker's container and tells what happens
  make down    stops everything; make down ARGS=-v throws the data away too
EOF
