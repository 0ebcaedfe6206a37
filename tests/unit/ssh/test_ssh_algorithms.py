"""Which algorithms are allowed, and whom they would lock out."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko import RSAKey

from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal, refusals
from pyinfra_swarm.ssh.algorithms import (
    ASKED,
    STRICT,
    Client,
    LearnHostKeys,
    kept_keys,
    plan_algorithms,
    refused_keys,
    rsa_bits,
    strict,
)
from pyinfra_swarm.ssh.plan import plan
from pyinfra_swarm.ssh.sshd import KEYWORDS, LISTS, Line, Sshd, Wanted
from tests.unit.ssh.servers import FRESH, INCLUDE, hardened, told


def blob(kind: str, *parts: bytes) -> str:
    """A public key of a type, whatever it is worth."""
    whole = b"".join(len(part).to_bytes(4, "big") + part for part in (kind.encode(), *parts))
    return f"{kind} {base64.b64encode(whole).decode()}"


def rsa(bits: int) -> str:
    number = (1 << (bits - 1)) | 1
    return blob("ssh-rsa", b"\x01\x00\x01", number.to_bytes(bits // 8 + 1, "big"))


ED25519, ECDSA = blob("ssh-ed25519", b"x" * 32), blob("ecdsa-sha2-nistp256", b"nistp256", b"y" * 65)
KNOWN = {
    "kex": (
        *STRICT["kexalgorithms"],
        "ecdh-sha2-nistp256",
        "diffie-hellman-group14-sha256",
    ),
    "cipher": ("3des-cbc", *STRICT["ciphers"]),
    "mac": ("hmac-sha1", *STRICT["macs"]),
    "key-sig": ("ssh-rsa", "ecdsa-sha2-nistp256", *STRICT["hostkeyalgorithms"]),
}
SEEN = replace(FRESH, lines=(INCLUDE,), known=KNOWN, host_keys=(rsa(3072), ECDSA, ED25519))
# What paramiko 4.0 offers.
OFFERS = {
    "kexalgorithms": ("curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"),
    "ciphers": ("aes128-ctr", "aes256-ctr", "aes256-gcm@openssh.com"),
    "macs": ("hmac-sha2-256", "hmac-sha2-256-etm@openssh.com"),
    "hostkeyalgorithms": (
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "rsa-sha2-512",
        "rsa-sha2-256",
        "ssh-rsa",
    ),
}
ALLOWED = strict(SEEN)


def found(
    client: Client | None = None, seen: Sshd = SEEN, **keys: tuple[str, ...]
) -> list[Finding]:
    return plan_algorithms(strict(seen), seen, client or Client(OFFERS), keys)


# What is allowed
# ---------------


def test_every_list_is_asked_for_and_has_its_keyword() -> None:
    assert set(STRICT) == set(ASKED) == set(LISTS)
    assert set(STRICT) <= set(KEYWORDS)


def test_what_the_host_does_not_know_is_left_out_in_the_same_order() -> None:
    older = {**KNOWN, "kex": tuple(reversed(KNOWN["kex"][2:]))}
    allowed = strict(replace(SEEN, known=older))
    assert allowed["kexalgorithms"] == STRICT["kexalgorithms"][2:]
    assert allowed["macs"] == STRICT["macs"]


@given(
    known=st.fixed_dictionaries(
        {word: st.lists(st.sampled_from(names), unique=True) for word, names in KNOWN.items()}
    )
)
def test_nothing_is_allowed_that_is_unknown_or_weak(known: dict[str, list[str]]) -> None:
    seen = replace(SEEN, known={word: tuple(names) for word, names in known.items()})
    for keyword, names in strict(seen).items():
        assert names
        assert set(names) <= set(known[ASKED[keyword]]) & set(STRICT[keyword])


def test_a_short_rsa_host_key_is_not_offered_but_opens_accounts() -> None:
    allowed = strict(replace(SEEN, host_keys=(rsa(2048), ED25519)))
    assert not [name for name in allowed["hostkeyalgorithms"] if name.startswith("rsa-")]
    assert "rsa-sha2-512" in allowed["pubkeyacceptedalgorithms"]
    assert "rsa-sha2-512" in ALLOWED["hostkeyalgorithms"]


def test_the_length_of_an_rsa_key_is_read_from_it() -> None:
    assert [rsa_bits(rsa(bits)) for bits in (2048, 3072, 4096)] == [2048, 3072, 4096]
    key = RSAKey.generate(1024)
    assert rsa_bits(f"ssh-rsa {key.get_base64()}") == 1024
    for odd in ("", "ssh-rsa", "ssh-rsa !", "ssh-rsa AAAA", ED25519):
        assert rsa_bits(odd) == 0


# The plan
# --------


def test_a_fresh_host_is_told_which_algorithms_are_too_many() -> None:
    weak = {
        "kexalgorithms": ",".join((*ALLOWED["kexalgorithms"][1:], "ecdh-sha2-nistp256")),
        "macs": ",".join(reversed(ALLOWED["macs"])),
    }
    wanted = Wanted(users=("ubuntu",), algorithms=ALLOWED)
    right = hardened(wanted, SEEN).effective["ubuntu"]
    seen = replace(SEEN, effective={"ubuntu": {**right, **weak}})
    assert [one for one in told(plan(wanted, seen)) if one[0] is Change] == [
        (
            Change,
            "sshd KexAlgorithms",
            'as ssh.crypto = "strict"',
            f"also ecdh-sha2-nistp256; not {ALLOWED['kexalgorithms'][0]}",
        ),
        (Change, "sshd MACs", 'as ssh.crypto = "strict"', "in another order"),
    ]


def test_the_drop_in_has_the_lists_and_settles_it() -> None:
    wanted = Wanted(users=("ubuntu",), algorithms=ALLOWED, penalties=True)
    assert f"MACs {','.join(STRICT['macs'])}\n" in wanted.drop_in()
    assert "PerSourcePenalties yes\n" in wanted.drop_in()
    seen = hardened(wanted, SEEN)
    values = {**seen.effective["ubuntu"], "persourcepenalties": "crash:90 authfail:5 max:600"}
    assert plan(wanted, replace(seen, effective={"ubuntu": values})) == []
    off = {**values, "persourcepenalties": "no"}
    (refusal,) = plan(wanted, replace(seen, effective={"ubuntu": off}))
    assert refusal.what == "sshd PerSourcePenalties"


def test_an_sshd_that_knows_no_penalties_is_not_given_any() -> None:
    assert not FRESH.penalizes
    assert "PerSource" not in Wanted(users=()).drop_in()
    values = {**FRESH.effective["ubuntu"], "persourcepenalties": "no"}
    assert replace(FRESH, effective={"ubuntu": values}).penalizes


@pytest.mark.parametrize(
    ("forwarding", "ports", "agent"),
    [
        ((), "no", "no"),
        (("local",), "local", "no"),
        (("remote", "agent"), "remote", "yes"),
        (("remote", "local"), "yes", "no"),
    ],
)
def test_what_may_be_forwarded_is_said_in_words_of_sshd(
    forwarding: tuple[str, ...], ports: str, agent: str
) -> None:
    values = Wanted(users=(), forwarding=forwarding).values()
    assert (values["allowtcpforwarding"], values["allowagentforwarding"]) == (ports, agent)
    assert values["allowstreamlocalforwarding"] == ports
    assert (values["x11forwarding"], values["permittunnel"]) == ("no", "no")


def test_a_match_block_that_forwards_less_is_no_exception_to_report() -> None:
    block = Line("/etc/ssh/sshd_config", 20, "Match Group sftp")
    for value, notices in (("no", 0), ("yes", 1)):
        line = Line("/etc/ssh/sshd_config", 21, f"AllowTcpForwarding {value}")
        wanted = Wanted(users=("ubuntu",))
        assert len(plan(wanted, replace(hardened(wanted), lines=(INCLUDE, block, line)))) == notices


def test_a_host_whose_lists_cannot_be_asked_keeps_them_and_says_so() -> None:
    seen = replace(SEEN, known={**KNOWN, "mac": ()})
    (notice,) = found(seen=seen)
    assert isinstance(notice, Notice)
    assert "MACs stay the system's" in notice.reason


def test_with_the_lists_of_the_system_nothing_is_judged() -> None:
    client = Client({}, known=("ecdsa-sha2-nistp256",), login_key="ecdsa-sha2-nistp256")
    assert plan_algorithms({}, SEEN, client, {"ann": ("ecdsa-sha2-nistp256",)}) == []


# Who would be locked out
# -----------------------


def test_the_client_that_pyinfra_brings_gets_in() -> None:
    assert found() == []
    assert found(Client(OFFERS, known=("ssh-ed25519",), login_key="ssh-rsa")) == []
    assert plan_algorithms(ALLOWED, SEEN, None, {}) == []


@pytest.mark.parametrize(
    ("keyword", "only", "what"),
    [
        ("kexalgorithms", "ecdh-sha2-nistp256", "sshd KexAlgorithms"),
        ("ciphers", "aes128-cbc", "sshd Ciphers"),
        ("hostkeyalgorithms", "ecdsa-sha2-nistp256", "sshd HostKeyAlgorithms"),
    ],
)
def test_a_client_without_a_common_algorithm_is_refused(keyword: str, only: str, what: str) -> None:
    (refusal,) = found(Client({**OFFERS, keyword: (only,)}))
    assert isinstance(refusal, Refusal)
    assert (refusal.what, refusal.found) == (what, only)


def test_a_cipher_that_needs_no_mac_makes_up_for_one() -> None:
    without = {**OFFERS, "macs": ("hmac-sha1",)}
    assert found(Client(without)) == []
    (refusal,) = found(Client({**without, "ciphers": ("aes128-ctr",)}))
    assert refusal.what == "sshd MACs"


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [
        ("ssh-ed25519", True),
        ("ssh-rsa", True),
        ("sk-ssh-ed25519@openssh.com", True),
        ("ssh-ed25519-cert-v01@openssh.com", True),
        ("sk-ssh-ed25519-cert-v01@openssh.com", True),
        ("ssh-rsa-cert-v01@openssh.com", True),
        ("ecdsa-sha2-nistp256", False),
        ("sk-ecdsa-sha2-nistp256@openssh.com", False),
        ("ssh-dss", False),
    ],
)
def test_keys_of_types_that_go_are_refused_before_anything_is_changed(
    kind: str, accepted: bool
) -> None:
    own = found(Client(OFFERS, login_key=kind))
    declared = found(None, ann=("ssh-ed25519", kind))
    assert [type(one) for one in own] == [Refusal] * (not accepted)
    assert [(type(one), one.found) for one in declared] == [(Refusal, kind)] * (not accepted)


def test_keys_that_a_host_has_are_refused_only_if_no_other_is_left() -> None:
    old = "ecdsa-sha2-nistp256"
    (refusal,) = kept_keys(ALLOWED, {"ann": (old, old)})
    (notice,) = kept_keys(ALLOWED, {"ann": (old, "ssh-rsa"), "bob": ("ssh-ed25519",)})
    assert (type(refusal), type(notice)) == (Refusal, Notice)
    assert kept_keys(ALLOWED, {"ann": ()}) == []
    assert kept_keys({}, {"ann": (old,)}) == refused_keys({}, {"ann": (old,)}) == []


def test_a_host_without_a_key_that_would_be_offered_is_refused() -> None:
    (refusal,) = refusals(found(seen=replace(SEEN, host_keys=(ECDSA, rsa(2048)))))
    assert refusal.what == "sshd HostKeyAlgorithms"
    assert "ssh-keygen -A" in refusal.remedy
    assert found(seen=replace(SEEN, host_keys=())) == []


# This computer's list of known hosts
# -----------------------------------


@pytest.mark.parametrize(
    ("known", "learnt"),
    [
        ((), ()),
        (("ssh-ed25519",), ()),
        (("ecdsa-sha2-nistp256", "ssh-ed25519"), ()),
        (("ecdsa-sha2-nistp256",), (rsa(3072), ED25519)),
        # paramiko asks for the first that it knows, and then for Ed25519 before RSA.
        (("ecdsa-sha2-nistp256", "ssh-rsa"), (ED25519,)),
        (("ssh-rsa", "ecdsa-sha2-nistp256"), (ED25519,)),
    ],
)
def test_a_host_known_by_a_key_that_it_will_not_show_is_learnt_anew_first(
    known: tuple[str, ...], learnt: tuple[str, ...]
) -> None:
    steps = found(Client(OFFERS, known=known))
    assert [step.keys for step in steps if isinstance(step, LearnHostKeys)] == [learnt] * bool(
        learnt
    )
    assert len(steps) == bool(learnt)
