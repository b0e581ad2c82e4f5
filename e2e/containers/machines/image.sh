#!/usr/bin/env bash
# Makes the image of a machine, unless the engine has it, and prints its name: a
# small Debian whose first process is systemd, with what the documents ask for.
set -euo pipefail
docker=${DOCKER:-docker}
image=quorate/machine:$(sha256sum "$0" | cut -c1-12)

if ! "$docker" image inspect "$image" >/dev/null 2>&1; then
	# In memory it takes a third of the time; the mount ends with this script.
	if [ "$(id -u)" = 0 ] && [ -z "${IN_MEMORY-}" ]; then
		IN_MEMORY=1 exec unshare --mount "$0"
	fi
	work=$(mktemp -d)
	trap '[ -z "${IN_MEMORY-}" ] || umount "$work"; rm -rf "$work"' EXIT
	[ -z "${IN_MEMORY-}" ] || mount -t tmpfs -o mode=755 tmpfs "$work"
	TMPDIR=$work mmdebstrap --quiet --variant=essential --include=systemd-sysv,passwd,curl,jq \
		bookworm "$work/root.tar" >&2
	"$docker" import --change 'ENV container=docker' "$work/root.tar" "$image" >/dev/null
fi
echo "$image"
