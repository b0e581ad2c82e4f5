#!/usr/bin/env bash
# Takes one guard after the other out of a copy of this tree, and expects the
# laboratory to notice each time. Names of breaks as arguments: only those.
set -euo pipefail
cd "$(dirname "$0")/../.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# try NAME FILE SED SAYS ARGS...: the laboratory must fail, and say so; SAYS is
# patterns with & between them.
try() {
	local name=$1 file=$2 edit=$3 says says_all
	IFS='&' read -ra says_all <<<"$4"
	shift 4
	[ ${#chosen[@]} -eq 0 ] || [[ " ${chosen[*]} " == *" $name "* ]] || return 0
	rm -rf "${copy:?}"/tree && mkdir "$copy/tree"
	git ls-files -z --cached --others --exclude-standard | tar --null -T - -c | tar -x -C "$copy/tree"
	sed -i "$edit" "$copy/tree/$file"
	if cmp -s "$file" "$copy/tree/$file"; then
		echo "$name: $file is not as it was when this break was written"
		failed=1
		return 0
	fi
	for seed in 1 2 3; do
		noticed=yes
		(cd "$copy/tree" && go run ./e2e/faults -seed $seed "$@" >"$copy/said" 2>&1) && noticed=no
		for says in "${says_all[@]}"; do
			grep -q "^WRONG: .*$says" "$copy/said" || noticed=no
		done
		kept=$(sed -n 's/^logs and data are in //p' "$copy/said")
		[ -z "$kept" ] || rm -rf "$kept"
		if [ $noticed = yes ]; then
			echo "$name: noticed, with seed $seed, $(grep -c '^WRONG: ' "$copy/said") times. Among them:"
			for says in "${says_all[@]}"; do
				grep "^WRONG: .*$says" "$copy/said" | sed 1q
			done
			return 0
		fi
	done
	echo "$name: NOT noticed"
	tail -20 "$copy/said"
	failed=1
}

chosen=("$@")
failed=0
# A broker goes on for two seconds after its lease may have ended; the margin
# stays in the text, so that it compiles.
try self-stop broker/life.go 's/sent\.Add(ttl - margin)/sent.Add(ttl + 0*margin + 2*time.Second)/' \
	'OVERLAP&the witness heard' -minutes 1 -only cut-etcd,cut-all
# What an agent writes does not depend on its epoch any more.
try epoch store/etcd/owner.go '/^func (l \*session) fenced/,/^}/s/.*t\.unchanged(.*//' \
	'an agent of epoch' -minutes 2 -only apart,halves,drain,move,cut-peers
# A takeover does not look whether anybody is present any more.
try presence store/etcd/term.go '/gone, present := d\.Guards()/s/$/\n\t\tgone, present = nil, nil/' \
	'is not present' -minutes 3 -only kill-two,kill
exit $failed
