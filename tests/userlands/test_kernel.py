"""The lab's own kernel does what Docker and we ask of it, with iptables of either kind."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from lab import kernel, release, roots, trial
from lab.errors import LabError
from tests.engines import programs
from tests.netns.conftest import Host
from tests.tools import must_run
from tests.userlands.test_programs import COMMON, RUST

TRY = 'try() { said=$("$@" 2>&1) && echo "ok: $*" || { echo "FAILED: $*"; echo "$said"; }; }\n'

RULES = {
    "what the nat of containers is made of": """
        try $t -t nat -A POSTROUTING -j MASQUERADE
        try $t -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination $to
        try $t -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j RETURN
    """,
    "what the routing mesh is made of": """
        try $t -t nat -A POSTROUTING -m ipvs --ipvs -j SNAT --to-source $one
        try $t -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-port 80
        try $t -t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-mark 5
    """,
    "what encrypted networks are made of": """
        frames="-p udp -m udp --dport 4789"
        try $t -t mangle -A OUTPUT $frames -m bpf --bytecode '1,6 0 0 0' -j MARK --set-mark 13681891
        try $t -A INPUT -p udp -m policy --dir in --pol none -m udp --dport 4789 -j DROP
    """,
    "what our rules are made of": """
        try $t -A FORWARD -p tcp -m conntrack --ctorigdstport 8080 --ctdir ORIGINAL -j DROP
        try $t -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        try $t -A FORWARD -p esp -j RETURN
        try $t -t mangle -I PREROUTING -d $one -p tcp --syn -j DROP
    """,
    "what an admin's rules and Docker's next ones may be made of": """
        try $t -A FORWARD -m comment --comment hello -m limit --limit 3/min -j LOG --log-prefix x
        try $t -A FORWARD -j REJECT
        try $t -A FORWARD -m physdev --physdev-is-bridged -j ACCEPT
        try $t -A FORWARD -p tcp -m multiport --dports 1,2 -m mark --mark 1 -j RETURN
        try $t -A FORWARD -m statistic --mode random --probability 0.5 -j RETURN
        try $t -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
        try $t -A FORWARD -m recent --set --name x -j ACCEPT
        try $t -t raw -A PREROUTING -d $one -j DROP
        try $t -t raw -A PREROUTING -j CT --notrack
    """,
}
REST = """
try iptables-nft -A INPUT -m u32 --u32 '0>>22&0x3C@12&0xFFFFFF00=256' -j DROP
try ip link add vx type vxlan id 1 dstport 4789
try ip link add wg0 type wireguard
try ip link add b0 type bridge
try ip link add v0 type veth peer name v1
for family in '192.0.2.1 dst 192.0.2.2' '2001:db8::1 dst 2001:db8::2'; do
  try ip xfrm state add src $family proto esp spi 0x1001 mode transport \
    aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 64
done
try test -e /proc/net/xfrm_stat
for module in ip_vs_rr overlay br_netfilter; do try modprobe $module; done
"""


@pytest.fixture(scope="module")
def ground() -> tuple[kernel.Kernel, Path]:
    try:
        machine = release.machine_release()
        debian = roots.debian("13", machine)
        return kernel.build(machine, print), roots.root(debian, (*COMMON, *RUST), print)
    except LabError as error:
        must_run.give_up(str(error))


def lines(
    ground: tuple[kernel.Kernel, Path], script: str, memory: int = 256, **given: Path
) -> list[str]:
    whole = f"{TRY}ip link set lo up\n{script}\necho ended"
    said = trial.said(*ground, whole, given=given, memory=memory, timeout=400)
    assert "\nended\n" in said, said
    return said.splitlines()


def test_it_takes_every_rule_in_both_families_with_either_iptables(
    ground: tuple[kernel.Kernel, Path],
) -> None:
    script = ""
    for kind in ground[0].back_ends:
        for t, one, to in (
            ("iptables", "10.0.0.2", "10.0.0.2:80"),
            ("ip6tables", "fd00::2", "[fd00::2]:80"),
        ):
            script += f"t={t}-{kind} one={one} to={to}\n{''.join(RULES.values())}\n"
    said = lines(ground, script)
    assert not [line for line in said if line.startswith("FAILED")], "\n".join(said)
    tried = len(re.findall("try ", "".join(RULES.values())))
    assert len([line for line in said if line.startswith("ok: ")]) == 2 * 2 * tried


def test_it_has_what_networks_and_their_encryption_need(
    ground: tuple[kernel.Kernel, Path],
) -> None:
    said = lines(ground, REST)
    assert not [line for line in said if line.startswith("FAILED")], "\n".join(said)
    assert len([line for line in said if line.startswith("ok: ")]) == 11


ENGINE = r"""
PATH=/mnt/engine:$PATH HOME=/run DOCKER_HOST=unix:///run/docker.sock
export PATH HOME DOCKER_HOST
until_true() { i=0; until "$@" >/dev/null 2>&1 || [ $i = 60 ]; do i=$((i + 1)); sleep 1; done; }
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo '+cpu +memory +pids +io' > /sys/fs/cgroup/cgroup.subtree_control
hostname node1
ip link add lan type bridge; ip address add 192.168.1.11/24 dev lan; ip link set lan up
ip route add default via 192.168.1.1
containerd --root /run/kept --state /run/containerd > /run/containerd.log 2>&1 &
until_true test -S /run/containerd/containerd.sock
dockerd --data-root /run/docker-root --containerd /run/containerd/containerd.sock \
  --storage-driver vfs > /run/docker.log 2>&1 &
until_true docker info
try docker swarm init --advertise-addr 192.168.1.11 --default-addr-pool 10.200.0.0/16
yes | docker network rm ingress >/dev/null
gone() { ! docker network inspect ingress; }
until_true gone
try docker network create -d overlay --ingress --opt encrypted --subnet 10.201.0.0/24 ingress
mkdir -p image/bin image/www; cp /mnt/busybox/busybox image/bin; echo hello > image/www/index.html
tar -C image -c . | docker import - web:1 >/dev/null
try docker service create --detach --no-resolve-image --name web --publish 8080:80 web:1 \
  /bin/busybox httpd -f -p 80 -h /www
until_true curl -sf -m 2 http://192.168.1.11:8080/
docker service ps web --no-trunc --format '{{.CurrentState}} {{.Error}}'
echo "answer: $(curl -sf -m 5 http://192.168.1.11:8080/)"
cp -r /mnt/firewall /run/firewall; FIREWALL_ROOT=/run/firewall; export FIREWALL_ROOT
script=$FIREWALL_ROOT/usr/local/lib/pyinfra-swarm/firewall
for word in look load load; do try sh $script $word; done
for table in nat filter mangle; do iptables -t $table -S | sed "s/^/$table: /"; done
echo "answer: $(curl -sf -m 5 http://192.168.1.11:8080/)"
try sh $script unload
iptables -S | sed "s/^/left: /"
"""


def test_an_engine_routes_and_encrypts_on_it_beside_our_rules(
    ground: tuple[kernel.Kernel, Path], tmp_path: Path
) -> None:
    firewall, busybox = tmp_path / "firewall", tmp_path / "busybox"
    firewall.mkdir()
    busybox.mkdir()
    Host(0, backend="nft", root=firewall).install()
    shutil.copy2("/bin/busybox", busybox)
    engine = programs.programs(programs.versions()[-1]) / "usr/bin"
    said = lines(ground, ENGINE, 1400, engine=engine, firewall=firewall, busybox=busybox)
    whole = "\n".join(said)
    assert not [line for line in said if line.startswith("FAILED")], whole
    assert said.count("answer: hello") == 2, whole
    assert re.search(r"nat: -A DOCKER-INGRESS .*--dport 8080 -j DNAT", whole)
    assert re.search(r"filter: -A INPUT .*--pol none .*--bytecode .* -j DROP", whole)
    assert re.search(r"mangle: -A OUTPUT .*--dport 4789 .*-j MARK", whole)
    inputs = [line for line in said if line.startswith("filter: -A INPUT")]
    assert inputs[0] == "filter: -A INPUT -j SWARM-INPUT"
    assert whole.count("filter: -A INPUT -j SWARM-INPUT\n") == 1
    assert "filter: -A DOCKER-USER -j SWARM-FORWARD" in said
    assert "left: -N DOCKER-USER" in said
    assert "left: -N SWARM" not in whole
