# /etc/quorate/admin.sh: for a person at work on one of the machines. In bash, as
# root: . /etc/quorate/admin.sh

set -a
. /etc/quorate/quorate.env
ETCDCTL_ENDPOINTS=$QUORATE_ETCD ETCDCTL_CACERT=$QUORATE_ETCD_CA
ETCDCTL_CERT=$QUORATE_ETCD_CERT ETCDCTL_KEY=$QUORATE_ETCD_KEY
set +a
SITE=$QUORATE_ADVERTISE/api/v1/sites/$QUORATE_SITE

# ask URL: ask the REST API, as root.
ask() { curl -sS --cacert $QUORATE_ETCD_CA -H "Authorization: Bearer $(cat $QUORATE_ROOT_TOKEN_FILE)" -H "Content-Type: application/json" "$@"; }

# restart_server: restart this machine's server as soon as the Site can spare its
# broker, and wait until it is ready, which includes that the broker is online.
restart_server() {
	if systemctl is-active --quiet quorate; then
		await 300 "the Site to spare $QUORATE_BROKER" stoppable || return
	fi
	systemctl restart quorate
	await 120 "$QUORATE_BROKER to be ready" ready && echo "$QUORATE_BROKER is ready"
}

# restart_member: restart this machine's member of etcd if the others are well, and
# wait until it is, too.
restart_member() {
	local own others
	own=$(. /etc/etcd/etcd.env; echo $ETCD_ADVERTISE_CLIENT_URLS)
	others=$(echo ${QUORATE_ETCD//,/ } | xargs -n 1 | grep -vxF $own | xargs | tr ' ' ,)
	await 60 "the other members of etcd to be healthy" healthy $others || return
	systemctl restart etcd
	await 120 "$own to be healthy" healthy $own && echo "$own is healthy"
}

# await SECONDS WHAT COMMAND: wait until a command succeeds, for so long or PATIENCE.
# What it says is shown whenever that changes.
await() {
	local end=$((SECONDS + ${PATIENCE:-$1})) what=$2 said before=
	shift 2
	until said=$("$@"); do
		[ "$said" = "$before" ] || echo "waiting for $what: $said" >&2
		before=$said
		[ $SECONDS -lt $end ] || { echo "given up waiting for $what" >&2; return 1; }
		sleep 1
	done
}

# stoppable says why the Site cannot spare this broker.
stoppable() {
	local said
	said=$(ask --fail --max-time 10 $SITE/brokers/$QUORATE_BROKER/stoppable 2>/dev/null) || { echo "the server does not answer"; return 1; }
	jq -e .stoppable <<<"$said" >/dev/null || { jq -r '.reasons | join(" ")' <<<"$said"; return 1; }
}

# ready says why this server is not.
ready() {
	local said
	said=$(curl -s --max-time 10 --cacert $QUORATE_ETCD_CA $QUORATE_ADVERTISE/readyz) || { echo "it does not answer yet"; return 1; }
	jq -e .ready <<<"$said" >/dev/null || { jq -r '[.checks[] | select(.ok | not) | "\(.name): \(.detail)"] | join("; ")' <<<"$said"; return 1; }
}

# healthy ENDPOINTS says which members of etcd are not.
healthy() {
	local said
	said=$(ETCDCTL_ENDPOINTS=$1 etcdctl endpoint health --write-out=json 2>/dev/null) && return
	jq -r '[.[] | select(.health | not) | "\(.endpoint): \(.error)"] | join("; ")' <<<"$said"
	return 1
}
