#!/bin/sh
# Starts the compose cluster and waits until every Provider is connected. In one
# that is running, members of etcd and servers are replaced one after the other, so
# that a new image costs no majority.
#
#   PROJECT=name        another cluster beside the first; with ports of its own
#   QUORATE_PORT=9080   the first of the four servers' ports; 8080 unless it is said
#   QUORATE_BIND=IP     the address of this machine that has them; 127.0.0.1 likewise
set -eu
here=$(dirname "$0")
ready() { "$here/compose.sh" exec -T "$1" quorate await --site hq --token-file /farm/root.token "${2-}"; }

ports=$("$here/compose.sh" ports)

busy() {
	echo "A port of ${QUORATE_BIND:-127.0.0.1} is in use: $1. Nothing is left running." >&2
	echo "Free it, or take others: make up QUORATE_PORT=9080 (the first of the four servers' ports)." >&2
	exit 1
}

# start starts everything that does not run. Who else has a port is often seen before,
# and else told by the engine.
start() {
	for port in $ports; do
		code=0
		curl -sk -o /dev/null --connect-timeout 1 --max-time 2 "https://${QUORATE_BIND:-127.0.0.1}:$port" 2>/dev/null || code=$?
		case $code in
		6 | 7 | 28 | 127) ;; # nobody is there, or there is no curl
		*) busy "$port" ;;
		esac
	done
	said=$(mktemp) failed="The cluster could not be started."
	trap 'rm -f "$said"' EXIT
	{ "$here/compose.sh" up -d --no-build 2>&1 || echo "$failed"; } | tee "$said"
	if grep -q "$failed" "$said"; then
		grep -qi 'already allocated\|already in use' "$said" || exit 1
		"$here/compose.sh" down >/dev/null 2>&1
		busy "one of $ports"
	fi
}

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
	"$here/compose.sh" up -d --no-build
else
	start
fi
ready cb-1 --home

# What follows works as typed, also with a project and an address of one's own.
bind=${QUORATE_BIND:-localhost}
port=${ports%% *} last=${ports##* }
make=${PROJECT:+" PROJECT=$PROJECT"} sh=${PROJECT:+"PROJECT=$PROJECT "}
case $bind in
localhost | 127.0.0.1 | 0.0.0.0 | ::) to= ;;
*) to="--connect-to localhost:$port:$bind:$port " ;;
esac
cat <<EOF

The Site hq is up. Each broker's API and Swagger UI: https://$bind:$port/swagger/ to :$last.
Their certificates are good for localhost, and signed by an authority of this cluster's own:
  ${sh}e2e/compose/file.sh ca.crt > ca.crt; curl --cacert ca.crt ${to}https://localhost:$port/readyz

  make token$make   shows the root token
  make demo$make    kills a broker's container and tells what happens
  make down$make    stops everything; make down$make ARGS=-v throws the data away too
EOF
