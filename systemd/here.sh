# For the machine that you install from: what docs/install.md and docs/operate.md
# do for one machine after the other. In bash, in this repository's folder:
# . systemd/here.sh
#
# Addresses are in out/addresses.sh. on() is the only way to the machines; change
# it if you do not log in as root with ssh.

unset IP
. out/addresses.sh
rm -rf out/machine-* # left by a task that was broken off

# on N COMMAND: run a command on machine N, as root, in root's home.
on() { ssh "root@${IP[$1]}" "${@:2}"; }

# parties: everybody who needs a certificate, with the address.
parties() {
	local N
	for N in $MEMBERS; do echo "etcd-$N=${IP[$N]}"; done
	for N in "${!IP[@]}"; do echo "cb-$N=${IP[$N]}"; done
}

# give N FOLDER FILE...: put files into the folder that machine N will get. If one is
# missing or empty, copy_to will refuse.
give() {
	local F
	(umask 077 && mkdir -p "out/machine-$1/$2")
	for F in "${@:3}"; do
		[ -s "$F" ] && (umask 077 && cp "$F" "out/machine-$1/$2/") && continue
		echo "machine $1 lacks $F" >&2
		touch "out/machine-$1/incomplete"
		return 1
	done
}

# copy_to N...: bring the folders to the machines, as `machine` in root's home.
# What lay there is gone first, and nothing stays here.
copy_to() {
	local N
	for N in "$@"; do
		if [ ! -e "out/machine-$N/incomplete" ] && cp systemd/put.sh "out/machine-$N/" && tar -C "out/machine-$N" -c . |
			on "$N" 'umask 077 && rm -rf machine && mkdir machine && tar -C machine -x --no-same-owner'; then
			rm -r "out/machine-$N"
			echo "machine $N has its files"
		else
			echo "machine $N does NOT have its files" >&2
			return 1
		fi
	done
}

# broker_files N [SETTINGS]: all that a broker needs.
broker_files() {
	give "$1" bin bin/quorate
	give "$1" units systemd/quorate.service
	give "$1" quorate systemd/admin.sh out/farm/{ca.crt,secret.key,root.token} "out/farm/cb-$1.crt" "out/farm/cb-$1.key"
	broker_settings "$1" "${2:-systemd/quorate.env}"
}

# broker_settings N SETTINGS: these, with machine N's name and everybody's addresses.
broker_settings() {
	local N members=
	for N in $MEMBERS; do members+=${members:+,}https://${IP[$N]}:2379; done
	give "$1" quorate
	[ -s "$2" ] || give "$1" quorate "$2" || return
	sed "s/cb-[0-9][0-9]*/cb-$1/
		s|^\(QUORATE_LISTEN=\).*\(:[0-9]*\)$|\1${IP[$1]}\2|
		s|^\(QUORATE_ADVERTISE=https://\).*\(:[0-9]*\)$|\1${IP[$1]}\2|
		s|^\(QUORATE_ETCD=\).*|\1$members|" "$2" >"out/machine-$1/quorate/quorate.env"
}

# member_files N [SETTINGS [new|existing]]: all that a member of etcd needs.
member_files() {
	give "$1" bin bin/etcd bin/etcdctl bin/etcdutl
	give "$1" units systemd/etcd.service
	give "$1" etcd out/farm/ca.crt "out/farm/etcd-$1.crt" "out/farm/etcd-$1.key"
	member_settings "$1" "${2:-systemd/etcd.env}" "${3:-new}"
}

# member_settings N SETTINGS new|existing: these, with machine N's name and
# everybody's addresses, for a cluster that is new or is there already.
member_settings() {
	local N cluster=
	for N in $MEMBERS; do cluster+=${cluster:+,}etcd-$N=https://${IP[$N]}:2380; done
	give "$1" etcd
	[ -s "$2" ] || give "$1" etcd "$2" || return
	sed "/_CLUSTER=/!s/etcd-[0-9][0-9]*/etcd-$1/
		/LISTEN_PEER\|LISTEN_CLIENT\|ADVERTISE/s|//.*:|//${IP[$1]}:|
		/METRICS/s|,http://[^,]*:|,http://${IP[$1]}:|
		s|^\(ETCD_INITIAL_CLUSTER=\).*|\1$cluster|
		s|^\(ETCD_INITIAL_CLUSTER_STATE=\).*|\1$3|" "$2" >"out/machine-$1/etcd/etcd.env"
}
