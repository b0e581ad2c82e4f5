#!/bin/sh
# The compose cluster, whichever compose there is: v2 as docker's plug-in, or
# docker-compose 1.29. Arguments are those of compose.
#
#   compose.sh ps
#   compose.sh ports    shows the ports of cb-1 to cb-4 on this machine
set -eu
cd "$(dirname "$0")/../.."
docker=${DOCKER:-docker}
# QUORATE_PORT is the first of the four servers' ports, each of which can be another.
port=${QUORATE_PORT:-8080}
case $port in '' | *[!0-9]*) echo "QUORATE_PORT must be a number; it is $port." >&2; exit 1 ;; esac
export QUORATE_PORT_1="${QUORATE_PORT_1:-$port}" QUORATE_PORT_2="${QUORATE_PORT_2:-$((port + 1))}"
export QUORATE_PORT_3="${QUORATE_PORT_3:-$((port + 2))}" QUORATE_PORT_4="${QUORATE_PORT_4:-$((port + 3))}"
if [ "$1" = ports ]; then
	echo "$QUORATE_PORT_1 $QUORATE_PORT_2 $QUORATE_PORT_3 $QUORATE_PORT_4"
	exit
fi
if "$docker" compose version >/dev/null 2>&1; then
	set -- "$docker" compose -p "${PROJECT:-quorate}" "$@"
else
	set -- docker-compose -p "${PROJECT:-quorate}" "$@"
fi
exec "$@"
