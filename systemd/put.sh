#!/bin/sh
# Puts the files beside it where they belong, on the machine that they were copied
# to, and removes them here. As root: sh machine/put.sh
set -eu
cd "$(dirname "$0")"
here=$(pwd)
[ "$(basename "$here")" = machine ] || { echo "This is for the folder \`machine\` that copy_to makes." >&2; exit 1; }

for who in quorate etcd; do
	[ -d $who ] || continue
	id $who >/dev/null 2>&1 || useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin $who
	install -d -o root -g $who -m 750 /etc/$who
	install -o root -g $who -m 640 $who/* /etc/$who/
done
if [ -d bin ]; then
	install -m 755 bin/* /usr/local/bin/ # not cp: a program that runs cannot be written to
fi
if [ -d units ]; then
	install -m 644 units/* /etc/systemd/system/
	systemctl daemon-reload
fi
cd /
rm -r "$here"
