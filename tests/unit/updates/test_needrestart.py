"""needrestart: what it is told to leave alone, and a later file of its that takes that back."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.run.answer import asked
from pyinfra_swarm.run.answer import sections as answered
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.updates import facts as fact
from pyinfra_swarm.updates import plan as updates
from pyinfra_swarm.updates.needrestart import NEEDRESTART, needrestart_file, undone_by
from pyinfra_swarm.updates.plan import Updates
from tests.tools.answers import sections
from tests.unit.updates.test_updates_plan import differing, plan

LATER = "/etc/needrestart/conf.d/zzz-mine.conf"
UNITS = ("docker.service", "docker.socket", "containerd.service")


def test_needrestart_is_told_to_leave_the_engine_and_containerd_alone() -> None:
    for there in ("", "# older\n"):
        (finding,) = plan(differing(needrestart=there)).findings
        assert isinstance(finding, updates.WriteNeedrestart)
        assert plan(differing(needrestart=there), unattended=False).findings == []
    assert plan(differing(needrestart=needrestart_file())).findings == []
    assert plan(differing(needrestart=None)).findings == []


def spared(files: Sequence[str], units: Sequence[str]) -> set[str]:
    """What needrestart would leave alone: its own table first, then the files of conf.d."""
    program = (
        "our %nrconf = (override_rc => { qr(^dbus) => 0, qr(^docker) => 0 });\n"
        + "\n".join(files)
        + "\nfor my $rc (@ARGV) { my @found = map { $nrconf{override_rc}{$_} } "
        "grep { $rc =~ /$_/ } keys %{$nrconf{override_rc}};\n"
        'print "$rc\\n" if @found and not grep { $_ } @found }\n'
    )
    perl = shutil.which("perl")  # part of every Debian and Ubuntu
    assert perl
    said = subprocess.run([perl, "-we", program, *units], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    return set(said.stdout.splitlines())


def test_our_entry_is_perl_that_adds_to_the_table_and_matches_the_units() -> None:
    assign = "$nrconf{override_rc} = { qr(^dbus) => 0 };\n"  # as a file that is read before ours
    units = (*UNITS, "dockerish.service", "ssh.service", "dbus.service")
    assert spared([assign, needrestart_file()], units) == {*UNITS, "dbus.service"}


# A later file
# ------------

TAKES_BACK = [
    "$nrconf{override_rc} = {\n  qr(^dbus) => 0,\n};\n",
    "$nrconf{'override_rc'} = { qr(^docker) => 0 };",
    '$nrconf{ "override_rc" }={};',
    "$nrconf{override_rc} = { qr(^docker) => 1, qr(^containerd) => 0 };",
    "$nrconf{override_rc} = { # docker, containerd => 0\n qr(^dbus) => 0 };",
    "%{$nrconf{override_rc}} = (qr(^dbus) => 0);",
    "%nrconf = (restart => 'a');",
    "%nrconf = (%nrconf, override_rc => { qr(^dbus) => 0 });",
    "delete $nrconf{override_rc};",
    "delete($nrconf{override_rc});",
    "undef $nrconf{override_rc};",
    "$nrconf{override_rc}{qr(^containerd)} = 0;\n$nrconf{override_rc} = {};",
]
LEAVES = [
    "",
    "$nrconf{restart} = 'a';",
    "$nrconf{override_rc}{qr(^ssh)} = 0;",
    "$nrconf{override_rc}->{qr(^ssh)} = 0;",
    "$nrconf{override_rc} = { qr(^docker) => 0, qr(^containerd) => 0 };",
    "$nrconf{override_rc} = {\n  qr(^(docker|containerd)\\.) => 0,\n  qr(^ssh) => 1,\n};",
    "$nrconf{override_rc} = { q(^docker) => '0', q(^containerd)\n => 0 };",
    "$nrconf{override_rc} = { %{$nrconf{override_rc}}, qr(^ssh) => 0 };",
    "%nrconf = (%nrconf, restart => 'a');",
    "delete $nrconf{override_rc}{qr(^ssh)};",
    "delete $nrconf{override_rc}->{qr(^ssh)};",
    "# $nrconf{override_rc} = {};",
    "$nrconf{restart} = 'a'; # and not $nrconf{override_rc} = {}",
    "$nrconf{override_rc} ||= {};",
    "die unless $nrconf{override_rc} == $nrconf{override_rc};",
    "$nrconf{override_rc} = {};\n$nrconf{override_rc}{qr(^docker)} = 0;\n"
    "$nrconf{override_rc}{qr(^containerd)} = 0;",
]


@pytest.mark.parametrize("text", TAKES_BACK)
def test_a_later_file_that_takes_our_entry_back_is_known_as_perl_knows_it(text: str) -> None:
    assert not {*UNITS} <= spared([needrestart_file(), text], UNITS)
    assert undone_by({LATER: text}) == LATER


@pytest.mark.parametrize("text", LEAVES)
def test_a_later_file_that_leaves_our_entry_is_no_finding_nor_one_for_perl(text: str) -> None:
    assert {*UNITS} <= spared([needrestart_file(), text], UNITS)
    assert undone_by({LATER: text}) == ""


def test_of_several_files_the_last_that_assigns_the_table_counts() -> None:
    lost, adds, spares = TAKES_BACK[0], LEAVES[2], LEAVES[4]
    assert undone_by({"a": lost, "b": adds}) == "a"
    assert undone_by({"a": lost, "b": TAKES_BACK[1]}) == "b"
    assert undone_by({"a": lost, "b": spares}) == ""
    assert undone_by({"a": spares, "b": lost}) == "b"
    own = "$nrconf{override_rc}{qr(^docker)} = 0; $nrconf{override_rc}{qr(^containerd)} = 0;"
    assert undone_by({"a": lost, "b": own}) == ""
    assert undone_by({"a": own, "b": lost}) == "b"
    assert undone_by({}) == ""


_PIECES = st.sampled_from(
    [*"{}()=;,# \n", "$nrconf", "%nrconf", "override_rc", "docker", "containerd", "=> 0", "delete"]
)


@given(st.lists(_PIECES, max_size=60).map("".join))
def test_any_text_is_judged(text: str) -> None:
    assert undone_by({LATER: text}) in ("", LATER)


@pytest.mark.parametrize(
    "piece",
    ["docker", " ", "#", "$nrconf", "$nrconf{override_rc}", "$nrconf{override_rc}=", "%nrconf=",
     "delete ", "delete (", "{", "}"],
)  # fmt: skip
def test_no_text_keeps_the_reader_busy(piece: str) -> None:
    text = piece * (16384 // len(piece))
    begun = time.process_time()
    undone_by({"first": TAKES_BACK[0], **{f"{n}": text for n in range(19)}})
    undone_by({"first": f"delete{text}", "second": f"$nrconf{{override_rc}}{text}"})
    assert time.process_time() - begun < 20


# What is told of it
# ------------------


def test_a_file_that_undoes_ours_is_told_with_what_to_do_and_not_fought() -> None:
    wanted = plan(differing(needrestart=needrestart_file(), undone_by=LATER))
    [finding] = wanted.findings
    assert isinstance(finding, Notice)
    assert finding.sentence() == (
        f"{LATER}: needrestart reads it after {NEEDRESTART}, and it assigns the whole table "
        "override_rc, without entries for docker and containerd: an update of a library may "
        "restart the engine or containerd, on any node at any moment (→ leaves docker and "
        f"containerd alone). Have it read before: `sudo mv {LATER} "
        "/etc/needrestart/conf.d/50-zzz-mine.conf`; or let it add its entries, as our file does"
    )


def test_it_is_told_before_our_file_is_written_and_not_without_needrestart() -> None:
    first = plan(differing(needrestart="", undone_by=LATER))
    assert [one.what for one in first.findings] == ["needrestart", LATER]
    assert plan(differing(needrestart=None, undone_by=LATER)).findings == []
    assert plan(differing(needrestart="", undone_by=LATER), unattended=False).findings == []


def said(status: str, *more: str) -> Updates:
    lines = ["#> packages", f"needrestart {status} 3.6-7", "#> configuration", "#> own_file"]
    lines += ["#> needrestart", "# ours", *more, "#> units", "#> reboot"]
    return fact.parse(sections(lines))


def test_what_needrestart_reads_counts_only_where_it_is_installed() -> None:
    assert (said("ii").needrestart, said("rc").needrestart) == ("# ours\n", None)
    later = (f"#> after {LATER}", *TAKES_BACK[0].splitlines())
    assert (said("ii", *later).undone_by, said("rc", *later).undone_by) == (LATER, "")
    assert said("ii").undone_by == ""


# The program on the host
# -----------------------


def after(own: Path) -> dict[str, str]:
    """The files that the host's program shows, with what it shows of each."""
    script = asked(f'{fact.FILES_AFTER}files_after "{own}"\nsection end')
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    found = answered(done.stdout.splitlines())
    assert found.pop("end") == []
    assert all(name.startswith("after ") for name in found)
    return {name.removeprefix("after "): "\n".join(lines) for name, lines in found.items()}


def test_the_program_shows_the_files_that_are_read_after_ours_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    own = tmp_path / "zz-pyinfra-swarm.conf"
    assert after(own) == {}
    before = ("50-a.conf", "ZZZ.conf", "zz-a.conf", "zz-pyinfra-swarm.conf", "zz-PYTHON.conf")
    later = ("zz-pyinfra-swarm2.conf", "zz-z.conf", "zzz.conf", "~.conf", "ä b.conf")
    for name in (*before, *later, "zzz.conf.dpkg-old", ".zzz.conf", "zzzz"):
        (tmp_path / name).write_text(f"# {name}\n")
    perl = subprocess.run(
        ["perl", "-e", 'print "$_\\n" for sort <$ARGV[0]/*.conf>', str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    order = perl.stdout.splitlines()
    shown = after(own)
    assert [*shown] == order[order.index(str(own)) + 1 :]
    assert shown == {str(tmp_path / name): f"# {name}" for name in later}
    own.unlink()
    assert after(own) == shown


def test_the_fact_asks_for_the_files_after_ours(tmp_path: Path) -> None:
    later = tmp_path / "zzz-mine.conf"
    later.write_text(TAKES_BACK[0])
    script = fact.Updates().script().replace(NEEDRESTART, str(tmp_path / "zz.conf"))
    script = script.replace("\nunits ", "\n: ")  # systemd may not run on this machine
    done = subprocess.run(["sh", "-c", asked(script)], capture_output=True, text=True, check=True)
    found = answered(done.stdout.splitlines())
    assert "\n".join(found[f"after {later}"]) == TAKES_BACK[0].strip()
    assert found["needrestart"] == []


def test_the_program_follows_no_link_waits_for_no_pipe_and_reads_no_more_than_a_part(
    tmp_path: Path,
) -> None:
    own, target = tmp_path / "zz.conf", tmp_path / "secret"
    target.write_text("secret")
    (tmp_path / "zzz-link.conf").symlink_to(target)
    (tmp_path / "zzz-folder.conf").mkdir()
    os.mkfifo(tmp_path / "zzz-pipe.conf")
    assert after(own) == {}
    (tmp_path / "zzz.conf").write_text("x" * 100_000)
    assert after(own) == {str(tmp_path / "zzz.conf"): "x" * 16384}
    for number in range(30):
        (tmp_path / f"zzz{number:02}.conf").touch()
    assert len(after(own)) == 20
