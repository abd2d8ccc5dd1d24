#!/usr/bin/env bash
# What `make demo` runs: a real cluster of three nodes on this host, with an app.
# It stays up afterwards; the last lines say how to look around and how to remove it.
set -euo pipefail
cd "$(dirname "$0")/.."

orc=$PWD/bin/orc
export NO_COLOR=1

bold='' plain=''
if [ -t 1 ]; then bold='\033[1m' plain='\033[0m'; fi
say() { printf "\n$bold%s$plain\n" "$*"; }
run() { printf '$ orc %s\n' "$*"; "$orc" lab exec --name demo n1 -- "$orc" "$@"; }

[ "$(id -u)" = 0 ] || { echo "make demo starts containers and network namespaces: run it as root" >&2; exit 1; }

say "A cluster of three nodes, each in a network namespace of its own"
"$orc" lab down --name demo 2>/dev/null || true
"$orc" lab up --name demo --managers 1 --agents 2
run node ls

say "The demo images go to every node (there is no registry here)"
run image load build/images/all.tar

say "One app, from one file"
run deploy testdata/demo.yaml
run service ls
run ps

say "The web server has two replicas; each of the three nodes answers for it, and it sees who asks"
for address in $("$orc" lab ls --name demo --format '{{.Address}}'); do
	printf '$ curl http://%s:8080/\n' "$address"
	curl -sS --max-time 5 "http://$address:8080/"
	echo
done

say "A container dies: its node starts it again"
victim=$("$orc" lab exec --name demo n1 -- "$orc" ps -q --filter name=demo_clock | head -n 1)
run rm -f "$victim"
for _ in $(seq 100); do
	[ "$("$orc" lab exec --name demo n1 -- "$orc" service ls --filter name=demo_clock --format '{{.Replicas}}')" = 3/3 ] && break
	sleep 0.1
done
run service ps demo_clock

say "A new version rolls out, one replica after the other"
run service update --image clock:2.0 demo_clock
run service logs --tail 1 demo_clock

cat <<TXT

The cluster is yours. Be on its first node with
    $orc lab exec --name demo n1
and try: orc node ls · orc ps · orc service logs -f demo_clock · orc service scale demo_clock=6
Break it with: $orc lab kill --name demo n3   (a power cut; \`lab start\` boots it again)
Remove it with: $orc lab down --name demo
TXT
