#!/bin/sh
# The compose cluster, whichever compose there is: v2 as docker's plug-in, or
# docker-compose 1.29. Arguments are those of compose.
#
#   compose.sh ps
set -eu
cd "$(dirname "$0")/../.."
docker=${DOCKER:-docker}
if "$docker" compose version >/dev/null 2>&1; then
	set -- "$docker" compose -p "${PROJECT:-quorate}" "$@"
else
	set -- docker-compose -p "${PROJECT:-quorate}" "$@"
fi
exec "$@"
