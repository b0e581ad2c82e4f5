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

before=$(ask cb-1 await)
echo "$before"
victim=$(echo "$before" | awk '$1 == "vcenter" { print $3 }')
witness=cb-4 # the standby is never the owner to begin with
[ "$victim" != "$witness" ] || witness=cb-1

# It ends by itself, since from outside only what carries its words can be ended.
"$docker" exec "$(container "$witness")" quorate follow --site hq --token-file /farm/root.token --for 2m &
story=$!
trap 'kill "$story" 2>/dev/null || true' EXIT

echo
echo "Killing the container of $victim, which owns vcenter:"
"$docker" kill "$(container "$victim")" >/dev/null
echo "$(date +%T)      killed"
ask "$witness" await --without "$victim" >/dev/null

echo
echo "Starting $victim again. When it has been back for the Site's hold-down, everything goes home:"
"$here/compose.sh" start "$victim" >/dev/null
ask "$witness" await --home >/dev/null
ask "$witness" await
