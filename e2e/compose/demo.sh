#!/bin/sh
# Kills the container of the broker that owns vcenter, tells what happens until
# every Provider is connected elsewhere, starts the broker again, and tells
# what happens until the Provider is home.
set -eu
here=$(dirname "$0")
docker=${DOCKER:-docker}

container() { "$here/compose.sh" ps -q "$1"; }

# ask BROKER COMMAND... runs a command of quorate in a broker's container.
ask() {
	broker=$1 command=$2
	shift 2
	"$docker" exec "$(container "$broker")" quorate "$command" --site hq --token-file /farm/root.token "$@"
}

[ -n "$(container cb-1)" ] || { echo "The cluster is not there: make up starts it." >&2; exit 1; }
for broker in cb-1 cb-2 cb-3 cb-4; do
	"$docker" exec "$(container $broker)" quorate health >/dev/null ||
		{ echo "$broker is not ready, and the demo would take another one away: make up first." >&2; exit 1; }
done
before=$(ask cb-1 await)
echo "$before"
victim=$(echo "$before" | awk '$1 == "vcenter" { print $3 }')
witness=cb-4 # the standby is never the owner to begin with
[ "$victim" != "$witness" ] || witness=cb-1

# It ends by itself, since from outside only what carries its words can be ended.
"$docker" exec "$(container "$witness")" quorate follow --site hq --token-file /farm/root.token --for 2m &
story=$!
# However this ends, nothing is left dead.
trap 'kill "$story" 2>/dev/null || true; "$here/compose.sh" start "$victim" >/dev/null 2>&1' EXIT
trap 'exit 130' INT TERM

echo
echo "Killing the container of $victim, which owns vcenter:"
killed=$(date +%s%N)
"$docker" kill "$(container "$victim")" >/dev/null
ask "$witness" await --without "$victim" >/dev/null
echo "Every Provider is connected again $((($(date +%s%N) - killed) / 1000000)) ms after the kill."

echo
echo "Starting $victim again. When it has been back for the Site's hold-down, everything goes home:"
"$here/compose.sh" start "$victim" >/dev/null
ask "$witness" await --home >/dev/null
ask "$witness" await
