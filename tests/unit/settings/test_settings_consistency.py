"""What must hold between settings, asked of what was written, well-formed or not."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from pyinfra_swarm.settings.consistency import problems, warnings

BOARDS: dict[str, Any] = {
    "hosts": [
        {"name": "rk1", "address": "192.168.1.11", "role": "manager"},
        {"name": "rk2", "address": "192.168.1.12", "role": "manager"},
        {"name": "rk3", "address": "192.168.1.13", "role": "worker"},
    ],
    "ssh": {"port": 22, "user": "ops"},
    "swarm": {
        "init_without": [],
        "address_pool": ["10.210.0.0/16"],
        "subnet_size": 24,
        "data_path_port": 4789,
        "autolock": False,
        "unlock_key_file": "",
    },
    "networks": {"ingress_subnet": "10.201.0.0/24", "overlays": []},
    "access": {"others": "keep", "admins": []},
    "firewall": {"web": "cloudflare", "web_sources": [], "web_ports": [80, 443], "open": []},
}


def told(**sections: Any) -> list[tuple[str, str, str, str]]:
    """Field, value, reason and what to write, of these settings in the place of those above."""
    data = copy.deepcopy(BOARDS)
    for name, value in sections.items():
        if isinstance(value, dict) and isinstance(data.get(name), dict):
            data[name] |= value
        else:
            data[name] = value
    return [(one.field, one.value or "", one.reason, one.instead) for one in problems(data)]


def hosts(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The hosts above, each with what is said of it in the place of what it says."""
    found: list[dict[str, Any]] = copy.deepcopy(BOARDS["hosts"])
    for host, change in zip(found, changes, strict=False):
        host |= change
    return found


def fields(**sections: Any) -> list[str]:
    return [field for field, *_ in told(**sections)]


def test_what_is_in_order_has_no_problem() -> None:
    assert told() == []


ODD: list[Any] = [None, 1, True, "text", [], ["text"], {}, {"a": 1}, [[]], [{}], [{"name": 7}]]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("section", [*BOARDS])
def test_what_cannot_be_read_is_somebody_elses_to_report(section: str, odd: Any) -> None:
    data = {**BOARDS, section: odd}
    found = [one.field for one in problems(data)]
    empty = section == "hosts" and odd == []
    assert found == (["hosts"] if empty else [])


def leaves() -> Iterator[tuple[str, str]]:
    for section, inside in BOARDS.items():
        if isinstance(inside, dict):
            yield from ((section, name) for name in inside)


@pytest.mark.parametrize("odd", [None, 1.5, "text", [], ["text"], {}, [[]], [{}]])
@pytest.mark.parametrize(("section", "name"), [*leaves()])
def test_nor_is_an_odd_value_of_a_field(section: str, name: str, odd: Any) -> None:
    found = fields(**{section: {name: odd}})
    # A text is a name of a host, and a source is one without a meaning.
    expected = {
        ("swarm", "init_without"): ["swarm.init_without[0]"] * (odd == ["text"]),
        ("firewall", "web_sources"): ["firewall.web_sources"]
        * (isinstance(odd, list) and odd != []),
    }.get((section, name), [])
    assert found == expected


# Hosts
# -----


def test_without_a_host_or_a_manager_there_is_no_swarm() -> None:
    [(field, value, reason, _)] = told(hosts=())
    assert (field, value, reason) == ("hosts", "", "no host is declared")
    data = {name: section for name, section in BOARDS.items() if name != "hosts"}
    assert [one.reason for one in problems(data)] == ["no host is declared"]
    workers = hosts(*[{"role": "worker"}] * 3)
    [(field, value, reason, instead)] = told(hosts=workers)
    assert (field, value) == ("hosts", "")
    assert "no host is a manager" in reason
    assert instead.endswith('the role of "rk1", to begin with')
    del workers[0]["name"]
    [(_, _, _, instead)] = told(hosts=workers)
    assert instead.endswith("the role, to begin with")
    assert told(hosts=[{**workers[1], "role": "boss"}, workers[2]]) == []


def test_a_name_or_an_address_twice_is_told_at_the_second() -> None:
    assert [one[:3] for one in told(hosts=hosts({}, {}, {"name": "rk1"}))] == [
        ('hosts[2] "rk1".name', '"rk1"', 'is used twice: hosts[0] "rk1" has it as well')
    ]
    again = hosts({}, {"address": "192.168.1.11"}, {"address": "192.168.1.11"})
    assert [one[:3] for one in told(hosts=again)] == [
        (
            f'hosts[{at}] "{name}".address',
            '"192.168.1.11"',
            'is used twice: hosts[0] "rk1" has it as well',
        )
        for at, name in ((1, "rk2"), (2, "rk3"))
    ]
    assert told(hosts=hosts({"name": ""}, {"name": ""}, {"name": None})) == []
    assert told(hosts=hosts({"name": 7}, {"name": 7}, {"name": 7})) == []
    assert fields(hosts=hosts({"name": 7}, {"name": "x"}, {"name": "x"})) == ['hosts[2] "x".name']


def test_an_overlay_or_an_admin_twice_is_told() -> None:
    for section, key in (("networks", "overlays"), ("access", "admins")):
        for entries in ([{"name": "a"}, {"name": "b"}, {"name": "a"}], ["a", "a", {"name": "a"}]):
            found = told(**{section: {key: entries}, "ssh": {"user": "a"}})
            wanted = [f'{section}.{key}[2] "a".name'] if isinstance(entries[0], dict) else []
            assert [field for field, *_ in found] == wanted
            assert all(one[1:] == ('"a"', one[2], "each name once") for one in found)


def test_two_hosts_are_not_reached_at_one_place() -> None:
    nat: dict[str, Any] = {"ssh_host": "Gate.example"}
    found = told(hosts=hosts(nat, {"ssh_host": "gate.EXAMPLE"}))
    assert [one[:3] for one in found] == [
        (
            'hosts[1] "rk2"',
            "",
            'is reached over SSH at gate.EXAMPLE port 22, and so is hosts[0] "rk1"',
        )
    ]
    assert told(hosts=hosts(nat, nat | {"ssh_port": 2222})) == []
    assert fields(hosts=hosts(nat, nat | {"ssh_port": 22})) == ['hosts[1] "rk2"']
    assert fields(hosts=hosts({}, {"ssh_host": "192.168.1.11"})) == ['hosts[1] "rk2"']
    assert told(hosts=hosts(nat, nat | {"ssh_port": 2222}, nat | {"ssh_port": 2223})) == []
    last = told(hosts=hosts(nat, {"ssh_host": 7}, nat))
    assert [one[0] for one in last] == ['hosts[2] "rk3"']
    assert "port 23" in told(hosts=hosts(nat, nat), ssh={"port": 23})[0][2]
    # Where their addresses are the same, that is told, and no more.
    assert fields(hosts=hosts({}, {"address": "192.168.1.11"})) == ['hosts[1] "rk2".address']


# Founding, locking, logging in
# -----------------------------


@pytest.mark.parametrize(
    ("name", "reason", "instead"),
    [
        ("rk3", "is a worker", "take it out"),
        ("rk9", "is not the name of a declared manager", 'one of "rk1", "rk2", or take it out'),
        (" RK2 ", "is not the name", '"rk2"'),
        ("rk2.lan.example", "is not the name", '"rk2"'),
        (" 192.168.1.12", "is not the name", '"rk2"'),
        ("192.168.1.13", "is not the name", 'one of "rk1", "rk2", or take it out'),
        ("RK3", "is not the name", 'one of "rk1", "rk2", or take it out'),
    ],
)
def test_only_declared_managers_are_founded_without(name: str, reason: str, instead: str) -> None:
    [(field, value, why, what)] = told(swarm={"init_without": ["rk2", name]})
    assert (field, value) == ("swarm.init_without[1]", f'"{name}"')
    assert why.startswith(reason)
    assert what == instead


def test_each_is_named_once_and_what_is_reported_elsewhere_is_not() -> None:
    found = told(swarm={"init_without": ["rk1", "rk1", 7, "rk2"]})
    assert [one[0::2] for one in found] == [("swarm.init_without[1]", "is there twice")]
    assert fields(swarm={"init_without": [7, "rk9"]}) == ["swarm.init_without[1]"]
    odd = hosts({}, {}, {"role": "boss"})
    assert told(hosts=odd, swarm={"init_without": ["rk3", "rk1"]}) == []
    unnamed = hosts({}, {}, {"name": 7})
    assert told(hosts=unnamed, swarm={"init_without": ["192.168.1.12"]})[0][3] == '"rk2"'
    workers = hosts({"role": "worker"}, {"role": "worker"})
    [_, (_, _, _, instead)] = told(hosts=workers, swarm={"init_without": ["rk9"]})
    assert instead == "take it out"
    nameless = hosts({"name": 7})
    [(_, _, _, instead)] = told(hosts=nameless, swarm={"init_without": ["192.168.1.11"]})
    assert instead == 'one of "rk2", or take it out'


def test_a_lock_needs_a_place_for_its_key() -> None:
    assert [one[:2] for one in told(swarm={"autolock": True})] == [("swarm.autolock", "true")]
    assert told(swarm={"autolock": True, "unlock_key_file": "~/key"}) == []
    assert told(swarm={"autolock": "yes"}) == []


def test_the_user_who_logs_in_is_an_admin() -> None:
    admins: list[Any] = ["odd", {"name": "ada"}, {"name": "ops"}]
    deny = {"others": "deny", "admins": admins}
    assert told(access=deny) == []
    assert told(access={"others": "deny", "admins": []}) == []
    for others, consequence in (("deny", "would lock this user out"), ("report", "every check")):
        [(field, value, reason, instead)] = told(access={"others": others, "admins": admins[:2]})
        assert field == "access.admins"
        assert value == ""
        assert reason.startswith('does not hold "ops", the user of the runs (ssh.user): ')
        assert consequence in reason
        assert instead.startswith('add { name = "ops" }')
    users = ("zoe", "bob", "ann", 7, "tom", "mia", "ops")
    many = [
        {"name": f"n{n}", "address": f"192.168.1.{n}", "role": "manager", "ssh_user": user}
        for n, user in enumerate(users)
    ]
    each = [reason for _, _, reason, _ in told(access=deny, hosts=many)]
    assert [reason.split('"')[1] for reason in each] == ["ann", "bob", "mia", "tom", "zoe"]
    assert told(access={"others": "deny", "admins": admins[:2]}, ssh="odd") == []


# Networks
# --------


def test_what_overlaps_is_told_beside_what_and_what_is_free() -> None:
    overlays = [
        {"name": "a", "subnet": "10.210.7.0/24"},
        "odd",
        {"name": "b", "subnet": "192.168.1.0/25"},
        {"name": "c", "subnet": "10.201.0.0/26"},
        {"name": "d", "subnet": ""},
        {"name": "e", "subnet": "10.0.0.1/8"},
    ]
    assert told(networks={"overlays": overlays}) == [
        (
            'networks.overlays[0] "a".subnet',
            '"10.210.7.0/24"',
            "overlaps swarm.address_pool[0] = 10.210.0.0/16",
            'a network of its own, such as "10.200.0.0/24"',
        ),
        (
            'networks.overlays[2] "b".subnet',
            '"192.168.1.0/25"',
            "overlaps the hosts' own network 192.168.1.0/24 (rk1, rk2, rk3)",
            'a network of its own, such as "10.200.1.0/25"',
        ),
        (
            'networks.overlays[3] "c".subnet',
            '"10.201.0.0/26"',
            "overlaps networks.ingress_subnet = 10.201.0.0/24",
            'a network of its own, such as "10.200.1.128/26"',
        ),
    ]


def test_hosts_share_a_network_of_254_and_are_named_in_it_up_to_four() -> None:
    more = [{"name": f"n{n}", "address": f"10.210.0.{n}"} for n in range(1, 6)]
    more.append({"address": "10.210.0.9"})
    for count, some in (
        (1, "n1"),
        (4, "n1, n2, n3, n4"),
        (5, "n1, n2, n3, n4, …"),
    ):
        [(field, _, reason, _)] = told(hosts=[*hosts(), *more[:count]])
        assert field == "swarm.address_pool[0]"
        assert reason == f"overlaps the hosts' own network 10.210.0.0/24 ({some})"
    [(_, _, reason, _)] = told(hosts=[*hosts(), more[-1], {"name": "x", "address": "odd"}])
    assert reason.endswith("(10.210.0.9)")
    assert fields(hosts=[{"name": "x", "address": "odd", "role": "manager"}, more[-1]]) == [
        "swarm.address_pool[0]"
    ]


def pools(*texts: str) -> list[tuple[str, str]]:
    return [
        (field, instead.rpartition("such as ")[2])
        for field, _, _, instead in told(swarm={"address_pool": [*texts]})
    ]


def test_a_pool_of_which_there_is_no_other_is_told_of_a_smaller_one() -> None:
    taken = ("10.0.0.0/9", "10.128.0.0/9", "172.16.0.0/12")
    assert pools(*taken) == [("networks.ingress_subnet", '"192.168.0.0/24"')]
    half = (*taken[:2], "172.16.0.0/13", "10.0.0.0/12")
    assert pools(*half)[0] == ("swarm.address_pool[3]", '"172.24.0.0/13"')
    # In the last private range only the hosts' own network is taken.
    assert pools(*taken, "172.16.0.0/17")[0] == ("swarm.address_pool[3]", '"192.168.128.0/17"')
    nothing = "a smaller network, which overlaps nothing"
    assert pools(*taken, "172.16.0.0/16")[0] == ("swarm.address_pool[3]", nothing)
    full = (
        *(*taken, "192.168.0.0/24", "192.168.2.0/23", "192.168.4.0/22", "192.168.8.0/21"),
        *("192.168.16.0/20", "192.168.32.0/19", "192.168.64.0/18", "192.168.128.0/17"),
    )
    assert pools(*full) == [("networks.ingress_subnet", nothing)]


@pytest.mark.parametrize(
    ("size", "pool", "value"),
    [
        (16, "10.210.0.0/16", None),
        (15, "10.210.0.0/16", "15"),
        ("15", "10.210.0.0/16", "15"),
        (1, "10.210.0.0/16", "1"),
        (0, "10.210.0.0/16", None),
        (29, "10.210.0.0/29", None),
        (28, "10.210.0.0/29", "28"),
        (30, "10.210.0.0/16", None),
        (150, "10.210.0.0/16", None),
        ("x5", "10.210.0.0/16", None),
    ],
)
def test_a_network_has_to_fit_into_its_pool(size: Any, pool: str, value: str | None) -> None:
    for order in ([pool, "10.160.0.0/11"], ["10.160.0.0/11", pool]):
        found = told(swarm={"subnet_size": size, "address_pool": order})
        assert [one[:2] for one in found] == ([("swarm.subnet_size", value)] if value else [])
        for _, _, reason, _ in found:
            at = order.index(pool)
            assert reason.endswith(f"does not fit into swarm.address_pool[{at}] = {pool}")


def test_what_would_fit_is_told() -> None:
    for pool, instead in (
        ("10.210.0.0/23", "23 or more (24, say), or a wider pool"),
        ("10.210.0.0/24", "24 or more, or a wider pool"),
    ):
        found = told(swarm={"subnet_size": 20, "address_pool": [pool]})
        assert [one[3] for one in found] == [instead]
    assert told(swarm={"subnet_size": 20, "address_pool": []}) == []


# The firewall
# ------------


def test_sources_of_the_web_are_listed_where_they_are_meant() -> None:
    listed = {"web": "listed", "web_sources": ["203.0.113.0/24"]}
    assert told(firewall=listed) == []
    assert fields(firewall={**listed, "web_sources": []}) == ["firewall.web_sources"]
    [(field, value, reason, _)] = told(firewall={**listed, "web": "open"})
    assert (field, value) == ("firewall.web_sources", '["203.0.113.0/24"]')
    assert 'firewall.web = "open"' in reason
    assert told(firewall={**listed, "web": 7}) == []


def test_the_swarms_own_ports_are_opened_to_nobody_else() -> None:
    ports = [2377, 80, 7946, 4789, "7946"]
    assert [one[:2] for one in told(firewall={"web_ports": ports})] == [
        ("firewall.web_ports[0]", "2377"),
        ("firewall.web_ports[2]", "7946"),
        ("firewall.web_ports[3]", "4789"),
    ]
    assert told(firewall={"web_ports": [2377]})[0][2].startswith("holds 2377, the swarm's own")
    other = told(firewall={"web_ports": ports}, swarm={"data_path_port": 4790})
    assert [one[0] for one in other] == ["firewall.web_ports[0]", "firewall.web_ports[2]"]
    openings = [
        *({"port": "2000-8000"}, {"port": 7946}, {"port": "x"}, {"port": "4789-"}),
        *(
            {"port": "123456"},
            {"port": "1-123456"},
            {"port": "7947-7945"},
            {},
            "odd",
            {"port": "80"},
        ),
    ]
    assert [one[:3] for one in told(firewall={"open": openings})] == [
        (
            f"firewall.open[{at}].port",
            value,
            f"holds {held}, the swarm's own: open to the cluster's addresses, and to nobody else",
        )
        for at, value, held in (
            (0, '"2000-8000"', "2377, 4789, 7946"),
            (1, "7946", "7946"),
            (3, '"4789-"', "4789"),
        )
    ]
    assert fields(
        firewall={
            "open": [
                "odd",
                {"port": 7945},
                {"port": "x-80"},
                {"port": "4700-4789"},
                {"port": "4790-4800"},
            ]
        }
    ) == ["firewall.open[3].port"]


def test_ssh_is_open_to_its_sources_and_to_no_others() -> None:
    shut: dict[str, Any] = {"ssh_sources": ["10.0.0.0/8"]}
    [(field, value, reason, _)] = told(firewall={**shut, "web_ports": [80, 22]})
    assert (field, value) == ("firewall.web_ports[1]", "22")
    assert "SSH's port" in reason
    assert told(firewall={"web_ports": [80, 22]}) == []
    assert told(firewall={**shut, "web_ports": [22]}, ssh={"port": 2222}) == []


def test_where_ssh_listens_is_what_hosts_say_and_else_what_is_said_for_all() -> None:
    def closed_to(port: object, *changes: dict[str, Any], **more: Any) -> list[str]:
        shut = {"ssh_sources": ["10.0.0.0/8"], "open": [{"port": port}]}
        return [one[2][:10] for one in told(firewall=shut, hosts=hosts(*changes), **more)]

    ours = [{"ssh_port": 8022} for _ in BOARDS["hosts"]]
    router = [{"ssh_port": 9000 + n, "ssh_host": "gw"} for n in range(len(ours))]
    assert closed_to(22, *ours) == []
    assert closed_to(22, {"ssh_host": "gw"}, *ours[1:]) == ["holds 22, "]
    assert closed_to(9000, *router) == []
    assert closed_to(22, *router) == ["holds 22, "]
    assert closed_to(8022, {**ours[0], "ssh_host": ""}) == ["holds 8022"]
    two = {"ssh_port": 2208}, {"ssh_port": 2201}
    assert closed_to("2201-2208", *two) == closed_to("2201-2208", *two[::-1]) == ["holds 2201"]
    assert "holds 8022" in closed_to("8000-8100", ours[0], ssh={"port": "x"})


def test_the_swarms_own_ports_are_told_where_one_of_them_cannot_be_read() -> None:
    found = told(firewall={"web_ports": [2377, 7946]}, swarm={"data_path_port": "x"})
    assert [one[0] for one in found] == ["firewall.web_ports[0]", "firewall.web_ports[1]"]


def test_what_is_no_port_is_in_nobody_s_way() -> None:
    assert told(firewall={"closed": ["x"], "open": [{"port": "y"}, {}]}) == []


def test_a_port_is_declared_closed_or_opened_and_not_both() -> None:
    opened: dict[str, Any] = {"open": [{"port": "8000-8080"}, {"port": 53, "protocol": "udp"}]}
    [(field, value, reason, _)] = told(firewall={**opened, "closed": [53, 8443, 8080]})
    assert (field, value) == ("firewall.closed[2]", "8080")
    assert "firewall.open opens 8000-8080" in reason
    assert told(firewall={**opened, "closed": [8081]}) == []


def test_a_web_port_is_declared_closed_only_where_the_web_is() -> None:
    [(field, value, reason, _)] = told(firewall={"closed": ["100-500"]})
    assert (field, value) == ("firewall.closed[0]", '"100-500"')
    assert "holds 443, which firewall.web lets visitors reach" in reason
    for port in (80, 443):
        assert fields(firewall={"closed": [port - 1, port, port + 1]}) == ["firewall.closed[1]"]
    for ports in ([8448, 8441], [8441, 8448]):
        [one] = told(firewall={"closed": ["8441-8448"], "web_ports": ports})
        assert one[2].startswith("holds 8441, which")
    assert told(firewall={"closed": [80], "web": "closed"}) == []
    assert told(firewall={"closed": [80], "web_ports": [443]}) == []


def test_the_ports_of_single_hosts_are_sshs_too() -> None:
    shut: dict[str, Any] = {"web": "open", "ssh_sources": ["192.168.1.0/24"]}
    one = {"ssh_port": 8022}
    [(field, value, *_)] = told(firewall={**shut, "web_ports": [80, 8022]}, hosts=hosts({}, one))
    assert (field, value) == ("firewall.web_ports[1]", "8022")
    ranged = {**shut, "open": [{"port": "8000-8100"}]}
    [(field, _, reason, _)] = told(firewall=ranged, hosts=hosts({}, one))
    assert field == "firewall.open[0].port"
    assert "8022" in reason
    # All hosts have another port, so that 22 is nobody's.
    assert told(firewall={**shut, "web_ports": [22]}, hosts=hosts(one, one, one)) == []


def test_a_port_of_the_router_is_no_host_s_own() -> None:
    shut = {"web": "open", "ssh_sources": ["192.168.1.0/24"], "web_ports": [80, 2222]}
    nat = {"ssh_host": "home.example.org", "ssh_port": 2222}
    assert told(firewall=shut, hosts=hosts({}, nat)) == []
    own = {**nat, "ssh_host": "192.168.1.12"}
    [(field, *_)] = told(firewall=shut, hosts=hosts({}, own))
    assert field == "firewall.web_ports[1]"
    openings = [
        {"port": "20-22"},
        {"port": "22", "protocol": "udp"},
        {"port": "22", "protocol": "tcp"},
        {"port": "23-30"},
    ]
    found = told(firewall={**shut, "open": openings})
    assert [one[:2] for one in found] == [
        ("firewall.open[0].port", '"20-22"'),
        ("firewall.open[2].port", '"22"'),
    ]
    assert all("holds 22, SSH's" in reason for _, _, reason, _ in found)
    assert told(firewall={"open": openings}) == []


# How many managers
# -----------------


@pytest.mark.parametrize(
    ("managers", "words"),
    [
        (1, ()),
        (2, ("failure of none: 1 manager would tolerate as many, or 3 would tolerate 1",)),
        (3, ()),
        (4, ("failure of 1: 3 managers tolerate as many, 5 tolerate 2",)),
        (7, ()),
        (8, ("failure of 3: 7 managers tolerate as many, 9 tolerate 4", "waits for 5 of them")),
        (9, ("9 managers: every change waits for 5 of them",)),
    ],
)
def test_a_doubtful_number_of_managers_is_worth_a_thought(
    managers: int, words: tuple[str, ...]
) -> None:
    for found, expected in zip(warnings(managers, 3), words, strict=True):
        assert expected in found
