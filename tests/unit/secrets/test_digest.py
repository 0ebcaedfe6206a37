"""A seal recognises its value, shows nothing of it, and costs what it costs only once."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyinfra_swarm.secrets import digest, seal_cache
from pyinfra_swarm.secrets.digest import matches, seal
from pyinfra_swarm.secrets.value import Value
from tests.unit.secrets.conftest import private

ONE, OTHER = Value(b"hunter2"), Value(b"hunter3")


class Count:
    def __init__(self) -> None:
        self.number = 0


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Count:
    """How often scrypt itself was computed."""
    count, real = Count(), hashlib.scrypt

    def counted(*arguments: Any, **rest: Any) -> bytes:
        count.number += 1
        return real(*arguments, **rest)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    return count


@pytest.fixture
def noughts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked for, scrypt gives what the digest of ``NOUGHTS`` is."""
    monkeypatch.setattr(hashlib, "scrypt", lambda *_, **__: bytes(32))


NOUGHTS = f"AAAA${'A' * 43}"
"""A salt, and a digest of bytes that are 0."""


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "_N", 2)


class TestASeal:
    def test_is_that_of_its_value_and_of_no_other(self) -> None:
        sealed = seal(ONE)
        seal_cache.place().unlink()
        seal_cache.forget()
        assert matches(ONE, sealed)
        assert not matches(OTHER, sealed)

    def test_can_be_checked_by_whoever_knows_the_value(self) -> None:
        """The form is a promise: labels outlive this program's version."""
        kind, n, r, p, salt, made = seal(ONE).split("$")
        assert (kind, n, r, p) == ("scrypt", "32768", "8", "1")
        assert "=" not in salt + made

        def raw(text: str) -> bytes:
            return base64.urlsafe_b64decode(text + "==")

        assert len(raw(salt)) == 16
        assert raw(made) == hashlib.scrypt(
            b"hunter2", salt=raw(salt), n=2**15, r=8, p=1, maxmem=2**26, dklen=32
        )

    def test_of_earlier_parameters_still_counts(self) -> None:
        salt = b"0123456789abcdef"
        made = hashlib.scrypt(b"hunter2", salt=salt, n=16, r=1, p=2, dklen=32)
        text = [base64.urlsafe_b64encode(one).decode().rstrip("=") for one in (salt, made)]
        assert matches(ONE, f"scrypt$16$1$2${text[0]}${text[1]}")
        assert not matches(OTHER, f"scrypt$16$1$2${text[0]}${text[1]}")

    @pytest.mark.usefixtures("cheap")
    def test_is_another_one_each_time(self) -> None:
        assert len({seal(ONE) for _ in range(10)}) == 10

    @pytest.mark.usefixtures("cheap")
    @given(st.binary(min_size=1, max_size=100), st.binary(min_size=1, max_size=100))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_tells_any_two_values_apart(self, one: bytes, other: bytes) -> None:
        sealed = seal(Value(one))
        seal_cache.place().unlink(missing_ok=True)
        seal_cache.forget()
        assert matches(Value(one), sealed)
        assert matches(Value(other), sealed) == (one == other)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "scrypt",
            "hunter2",
            "scrypt$$$$$",
            f"scrypt$0$8$1${NOUGHTS}",
            f"scrypt$1$8$1${NOUGHTS}",
            f"scrypt$3$8$1${NOUGHTS}",
            f"scrypt$-2$8$1${NOUGHTS}",
            f"scrypt$2$0$1${NOUGHTS}",
            f"scrypt$2$8$0${NOUGHTS}",
            f"scrypt$²$8$1${NOUGHTS}",
            f"scrypt${'9' * 5000}$8$1${NOUGHTS}",
            f"scrypt$65536$1$1${NOUGHTS}",
            f"scrypt$65536$8$5${NOUGHTS}",
            "scrypt$2$8$1$AA!A$" + "A" * 43,
            "scrypt$2$8$1$AAAA!!!!$" + "A" * 43,
            "scrypt$2$8$1$$" + "A" * 43,
            "scrypt$2$8$1$AAAA$AAAA",
            "scrypt$1073741824$8$1$AAAA$" + "A" * 43,
            "scrypt$1048576$1024$1024$AAAA$" + "A" * 43,
            "scrypt$2$8$1$AAAA$" + "A" * 43 + "$x",
            "bcrypt$2$8$1$AAAA$" + "A" * 43,
            "scrypt$2$8$1$ÄÄÄÄ$" + "A" * 43,
        ],
    )
    def test_that_is_none_is_that_of_no_value_and_costs_nothing(
        self, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hashlib, "scrypt", lambda *_, **__: pytest.fail("it was computed"))
        assert not matches(ONE, text)

    @pytest.mark.usefixtures("noughts")
    @pytest.mark.parametrize("numbers", ["2$1$1", "32768$1$1", "65536$2$1", "65536$8$4"])
    def test_costs_what_scrypt_takes_and_a_board_has(self, numbers: str) -> None:
        assert matches(ONE, f"scrypt${numbers}${NOUGHTS}")

    def test_of_any_numbers_ends_well(self) -> None:
        """What scrypt itself refuses is no seal, not a run that is broken off."""
        for n, r in ((1 << 15, 1), (1 << 16, 1), (1 << 17, 1), (1 << 16, 2)):
            assert not matches(ONE, f"scrypt${n}${r}$1${NOUGHTS}")

    @given(st.text())
    def test_that_somebody_made_up_harms_nobody(self, text: str) -> None:
        assert not matches(ONE, text)
        assert not matches(ONE, f"scrypt${text}")


class TestWhatWasFoundOutOnce:
    def test_is_not_computed_again(self, computed: Count) -> None:
        sealed = seal(ONE)
        assert computed.number == 1
        assert matches(ONE, sealed)
        assert not matches(OTHER, sealed)
        assert computed.number == 2
        seal_cache.forget()  # as another run
        assert matches(ONE, sealed)
        assert not matches(OTHER, sealed)
        assert computed.number == 2

    @pytest.mark.usefixtures("cheap")
    @pytest.mark.parametrize("broken", ["", "x", "gone", "folder", "open to others", "key", "cut"])
    def test_only_saves_time(self, broken: str, computed: Count) -> None:
        sealed, path = seal(ONE), seal_cache.place()
        header, entry = path.read_text().splitlines()
        match broken:
            case "gone":
                path.unlink()
            case "folder":
                path.unlink()
                path.mkdir()
            case "open to others":
                path.chmod(0o644)
            case "key":
                path.write_text(f"{header[:-1]}{'0' if header[-1] != '0' else '1'}\n{entry}\n")
            case "cut":
                path.write_text(f"{header}\n{entry[:-1]}")
            case text:
                path.write_text(text)
        for _ in range(2):
            seal_cache.forget()
            assert matches(ONE, sealed)
            assert not matches(OTHER, sealed)
        assert computed.number > 1
        assert broken == "folder" or private(path)

    @pytest.mark.usefixtures("cheap")
    def test_is_its_users_alone(self) -> None:
        old = os.umask(0)
        try:
            seal(ONE)
        finally:
            os.umask(old)
        path = seal_cache.place()
        assert private(path)
        assert private(path.parent)
        assert path.stat().st_uid == os.geteuid()

    @pytest.mark.usefixtures("cheap")
    def test_holds_neither_the_value_nor_what_can_be_guessed_without_its_key(self) -> None:
        sealed = seal(ONE)
        header, entry = seal_cache.place().read_text().splitlines()
        assert re.fullmatch("pyinfra-swarm seals 1 [0-9a-f]{64}", header)
        assert re.fullmatch("[0-9a-f]{64}", entry)
        for kind in hashlib.algorithms_guaranteed - {"shake_128", "shake_256"}:
            for text in (b"hunter2", sealed.encode() + b"hunter2"):
                assert hashlib.new(kind, text).hexdigest() != entry

    @pytest.mark.usefixtures("cheap")
    def test_does_not_mix_up_a_seal_and_a_value_beside_it(self) -> None:
        seal_cache.keep("ab", Value(b"c"), matched=True)
        assert seal_cache.known("ab", Value(b"c")) is True
        assert seal_cache.known("a", Value(b"bc")) is None

    @pytest.mark.usefixtures("cheap")
    def test_does_not_mix_up_two_seals_and_takes_any_label_for_one(self) -> None:
        seal_cache.keep("ab", ONE, matched=True)
        assert seal_cache.known("cd", ONE) is None
        odd = "\udcff"  # a byte that is no text
        seal_cache.keep(odd, ONE, matched=False)
        assert seal_cache.known(odd, ONE) is False

    @pytest.mark.usefixtures("cheap")
    def test_is_somebody_elses_where_the_file_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sealed = seal(ONE)
        seal_cache.forget()
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert seal_cache.known(sealed, ONE) is None

    def test_is_in_the_users_folder_for_state(self) -> None:
        """A promise: another name would leave the old file behind."""
        assert seal_cache.place().parts[-2:] == ("pyinfra-swarm", "seals")

    @pytest.mark.usefixtures("cheap")
    def test_stands_in_whole_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(seal_cache, "_MOST", 20)
        monkeypatch.setattr(seal_cache, "_KEPT", 10)
        sealed, path = seal(ONE), seal_cache.place()
        path.write_text(path.read_text() + "cut off\n" * 25)
        for _ in range(2):
            seal_cache.forget()
            assert seal_cache.known(sealed, ONE)

    @pytest.mark.usefixtures("cheap")
    def test_is_shown_nowhere(self) -> None:
        seal(ONE)
        shown, path = repr(seal_cache._caches), seal_cache.place()
        header, entry = path.read_text().splitlines()
        key = bytes.fromhex(header.rpartition(" ")[2])
        assert str(path) in shown
        assert repr(key) not in shown
        assert entry not in shown

    @pytest.mark.usefixtures("cheap")
    def test_does_not_grow_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(seal_cache, "_MOST", 20)
        monkeypatch.setattr(seal_cache, "_KEPT", 10)
        seals = [seal(Value(str(number).encode())) for number in range(20)]
        seal_cache.forget()
        assert seal_cache.known(seals[0], Value(b"0"))
        assert len(seal_cache.place().read_text().splitlines()) == 21
        seals += [seal(Value(str(number).encode())) for number in range(20, 30)]
        seal_cache.forget()
        assert seal_cache.known(seals[29], Value(b"29"))
        assert len(seal_cache.place().read_text().splitlines()) == 11
        seal_cache.forget()
        assert seal_cache.known(seals[29], Value(b"29"))
        assert seal_cache.known(seals[0], Value(b"0")) is None

    @pytest.mark.usefixtures("cheap")
    def test_is_no_link_that_somebody_has_laid(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.write_text("keep me")
        seal_cache.place().parent.mkdir(parents=True)
        seal_cache.place().symlink_to(other)
        assert matches(ONE, seal(ONE))
        assert other.read_text() == "keep me"
        assert stat.S_ISREG(seal_cache.place().lstat().st_mode)

    @pytest.mark.usefixtures("cheap")
    def test_takes_the_place_of_a_link_to_a_folder(self, tmp_path: Path) -> None:
        seal_cache.place().parent.mkdir(parents=True)
        seal_cache.place().symlink_to(tmp_path)
        sealed = seal(ONE)
        seal_cache.forget()
        assert seal_cache.known(sealed, ONE)
        assert private(seal_cache.place())

    @pytest.mark.usefixtures("cheap")
    def test_is_missed_where_nothing_can_be_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
        assert matches(ONE, seal(ONE))


@pytest.mark.usefixtures("cheap")
def test_a_rerun_with_fifty_unchanged_secrets_computes_nothing(computed: Count) -> None:
    """What that saves: `python -m tests.bench.seals`."""
    seals = {value: seal(value) for value in (Value(f"{number}".encode()) for number in range(50))}
    seal_cache.forget()  # as another run
    assert all(matches(value, sealed) for value, sealed in seals.items())
    assert computed.number == 50
