#!/bin/sh
# Starts the compose cluster and waits until every Provider is connected. In one
# that is running, members of etcd and servers are replaced one after the other, so
# that a new image costs no majority.
set -eu
here=$(dirname "$0")
ready() { "$here/compose.sh" exec -T "$1" quorate await --site hq --token-file /farm/root.token "${2-}"; }

if [ -n "$("$here/compose.sh" ps -q cb-1 2>/dev/null)" ]; then
	for member in etcd-1 etcd-2 etcd-3; do
		"$here/compose.sh" up -d --no-build --no-deps "$member"
		tries=60
		until "$here/compose.sh" exec -T "$member" etcdctl endpoint health >/dev/null 2>&1; do
			[ $((tries -= 1)) -gt 0 ] || { echo "$member is not healthy: its log says why." >&2; exit 1; }
			sleep 1
		done
	done
	for server in cb-4 cb-3 cb-2 cb-1; do # the standby first: it stands in for the others
		"$here/compose.sh" up -d --no-build --no-deps "$server"
		ready "$server" --home >/dev/null
	done
fi
"$here/compose.sh" up -d --no-build
ready cb-1 --home

# What follows works as typed, also with a project and an address of one's own.
bind=${QUORATE_BIND:-localhost}
make=${PROJECT:+" PROJECT=$PROJECT"} sh=${PROJECT:+"PROJECT=$PROJECT "}
case $bind in
localhost | 127.0.0.1 | 0.0.0.0 | ::) to= ;;
*) to="--connect-to localhost:8080:$bind:8080 " ;;
esac
cat <<EOF

The Site hq is up. Each broker's API and Swagger UI: https://$bind:8080/swagger/ to :8083.
Their certificates are good for localhost, and signed by an authority of this cluster's own:
  ${sh}e2e/compose/file.sh ca.crt > ca.crt; curl --cacert ca.crt ${to}https://localhost:8080/readyz

  make token$make   shows the root token
  make demo$make    kills a broker's container and tells what happens
  make down$make    stops everything; make down$make ARGS=-v throws the data away too
EOF
