"""The rules that keep the project in its shape: arrows, deploys, operations, facts."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import FactBase
from pyinfra.api.arguments import all_global_arguments

from pyinfra_swarm.run.fact import SubjectFact, asking
from pyinfra_swarm.settings.paths import ROOT

PACKAGE = "pyinfra_swarm"
PRODUCT = {PACKAGE, "facts", "deploys", "inventory", "group_data"}


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).glob("**/*.py"))


def name_of(path: Path) -> str:
    """The name that a file is imported by."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in files(PACKAGE)}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path, *, types: bool = True) -> set[str]:
    """What a file imports, in full, wherever in it. types: also what only its types need."""
    names: set[str] = set()
    todo: list[ast.AST] = [parsed(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module or "" for name in full}
    return names


def imported(path: Path) -> set[str]:
    """The top-level names that a file imports, wherever in it."""
    return {name.split(".")[0] for name in imports(path)}


@cache
def beneath(name: str, *, types: bool = False) -> set[str]:
    """All that a module rests on when it runs, itself included. types: and for its types."""
    found, todo = set(), [name]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            if one in MODULES:
                todo += imports(MODULES[one], types=types)
    return found


def each(*folders: str) -> pytest.MarkDecorator:
    paths = [path for folder in folders for path in files(folder)]
    return pytest.mark.parametrize("path", paths, ids=[str(p.relative_to(ROOT)) for p in paths])


@each("deploys", "tests/scenarios/deploys", "tests/engines/deploys")
def test_what_a_deploy_file_imports_is_there(path: Path) -> None:
    """No type checker reads these files: pyinfra executes them."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and not node.level:
            module = importlib.import_module(node.module or "")
            for name in (alias.name for alias in node.names):
                if not hasattr(module, name):
                    importlib.import_module(f"{node.module}.{name}")


ROWS = re.findall(r"^\| (`.+?) \|", (ROOT / "docs/decisions/rooms.md").read_text(), re.MULTILINE)
ROOMS = tuple(name for row in ROWS for name in re.findall(r"`(\w+)`", row))
"""From the foundation up, as docs/decisions/rooms.md lists them: a room imports from itself and
from those before it."""

ABOVE_ALL = {"cli"}
"""Modules of the package that are in no room."""


def room(module: str) -> str:
    """The room of a module; nothing for the package itself."""
    return module.removeprefix(PACKAGE).removeprefix(".").split(".")[0]


def test_every_room_has_its_place_in_the_order_and_no_other_is_there() -> None:
    assert {room(name) for name in MODULES} - {""} - ABOVE_ALL == {*ROOMS}
    assert len({*ROOMS}) == len(ROOMS)


def test_the_page_for_contributors_lists_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    shown = text.partition("    pyinfra_swarm/ ")[2].partition("\n    deploys/ ")[0]
    assert {*re.findall(r"\b(\w+)/(?!\w)", shown)} == {*ROOMS}


def test_a_room_imports_only_from_those_before_it() -> None:
    upwards = {
        (room(name), room(one))
        for name, path in MODULES.items()
        for one in imports(path) & MODULES.keys()
        if room(name) not in {"", *ABOVE_ALL} and room(one)
        if room(one) in ABOVE_ALL or ROOMS.index(room(one)) > ROOMS.index(room(name))
    }
    assert upwards == set()


def test_no_module_imports_itself_by_a_detour() -> None:
    """Not even for its types."""
    for name, path in MODULES.items():
        for one in imports(path) & MODULES.keys() - {name}:
            assert name not in beneath(one, types=True), f"{name} and {one} import each other"


IMPORTS_BY_STRING = {
    # The lab is in no wheel; where it is and is up, it is the inventory.
    "settings.lab",
    # Looks whether a fact that somebody asks for exists.
    "run.command_line",
}


def test_nothing_is_imported_by_a_string() -> None:
    """No arrow is seen then, and no type."""
    text = {name: path.read_text() for name, path in MODULES.items()}
    found = {
        name for name, source in text.items() if re.search(r"import_module|__import__", source)
    }
    assert found == {f"{PACKAGE}.{name}" for name in IMPORTS_BY_STRING}


ACTING = {
    # Facts and parts of operations, under names of their own.
    *("nodes.observing", "rolling.stages", "secrets.observing", "exposure.own_files"),
    *("rolling.wait_for_node", "rolling.wait_for_services"),
    # Files on this computer.
    "preflight.tested_table",
    *("backup.backup_file", "backup.record_file", "keys.unlock_key_file"),
    # The command, for whom files are linted without a host.
    "stacks.lint.cli",
    # Compose files, and what they refer to.
    "stacks.reading",
    # What the hosts say, by pyinfra's command line; boards that are in no inventory yet.
    *("status.asking", "boards.asked_for", "boards.asking", "boards.new_project"),
    # Values of secrets, and what starts programs to have them.
    *("secrets.sources", "secrets.command", "secrets.clear_text", "secrets.core_dumps"),
    *("secrets.digest", "secrets.seal_cache"),
}
"""Modules in the room of a subject that are neither facts nor operations by name, and act."""

PLANS = [
    name
    for name in MODULES
    if room(name) not in {"", "settings", "run", "deploys", "drift", "commands"} | ABOVE_ALL
    and not re.search(r"(facts|operations|__main__)$", name)
    and name.removeprefix(f"{PACKAGE}.") not in ACTING
]
"""What decides, or helps to: `plan.py`, and what stands beside it."""

DOING = {"pyinfra", "gevent", "requests", "subprocess", "paramiko"}
LOOKING = {"importlib", "os", "pwd", "shutil", "tempfile"}
LOOKS = {
    *("environ", "exists", "expanduser", "getenv", "is_dir", "is_file", "iterdir", "mkdir"),
    *("read_bytes", "read_text", "resolve", "unlink", "write_bytes", "write_text"),
}
TALKS = {"create_connection", "create_server", "socket"}


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_knows_neither_pyinfra_nor_hosts(plan: str) -> None:
    assert not {name.split(".")[0] for name in beneath(plan)} & DOING


def test_no_plan_rests_on_files_the_environment_or_the_network() -> None:
    found = set()
    for name in {one for plan in PLANS for one in beneath(plan)} & MODULES.keys():
        nodes = [*ast.walk(parsed(MODULES[name]))]
        used = {node.attr for node in nodes if isinstance(node, ast.Attribute)} & {*LOOKS, *TALKS}
        called = {
            node.func.id
            for node in nodes
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        if used or called & {"open", "input", "print"} or imported(MODULES[name]) & LOOKING:
            found.add(name.removeprefix(f"{PACKAGE}."))
    # The programs for a host are files of the package: as good as constants.
    assert found - {"run.onhost"} == set()


def test_what_acts_in_the_room_of_a_subject_is_there() -> None:
    assert {f"{PACKAGE}.{name}" for name in ACTING} <= MODULES.keys()


SHELL = re.compile(
    r"^\s*(?:set -[eu]|if [\[!]|fi$|done|esac|then$|exit \d|printf |echo |[a-z_]+\(\) \{"
    r"|case .* in|(?:while|for|until) .*do$|[a-z_]+=\$\(|umask |trap |section |export [A-Z])"
    r"|\| (?:sed|grep|awk|while) |2>/dev/null|\|\| exit|>&2",
    re.MULTILINE,
)


def programs_in(path: Path) -> list[int]:
    """The lines where strings begin that look like shell and have three lines or more."""
    nodes = [*ast.walk(parsed(path))]
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    pieces = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    found = []
    for node in nodes:
        if id(node) in prose | pieces or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = "".join(
            one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else "x"
            for one in parts
        )
        if text.strip().count("\n") > 1 and SHELL.search(text):
            found.append(node.lineno)
    return found


def test_programs_for_a_host_are_files_and_not_strings() -> None:
    """`onhost/*.sh`, where shellcheck reads them."""
    found = {name.removeprefix(f"{PACKAGE}."): programs_in(path) for name, path in MODULES.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_program_for_a_host_is_checked() -> None:
    folders = {path.parent.name for path in (ROOT / PACKAGE).glob("**/*.sh")}
    assert folders == {"onhost"}
    assert f"shellcheck {PACKAGE}/*/onhost/*.sh" in (ROOT / "Makefile").read_text()


def test_a_file_has_one_subject_and_is_not_long() -> None:
    long = {
        str(path.relative_to(ROOT / PACKAGE))
        for path in (*MODULES.values(), *(ROOT / PACKAGE).glob("**/*.sh"))
        if len(path.read_text().splitlines()) > 450
    }
    assert long == set()


PUBLIC = {
    "pyinfra": {"config", "local", "logger"},
    "pyinfra.api": {
        *("FactBase", "FunctionCommand", "Host", "ShortFactBase", "State", "StringCommand"),
        *("deploy", "operation"),
    },
    "pyinfra.api.exceptions": {"FactProcessError"},
    "pyinfra.api.facts": {"ShortFactBase"},
}
"""What pyinfra documents for those who write deploys, by module."""

INTERNALS = [
    ROOT / PACKAGE / f"run/pyinfra_{name}.py" for name in ("internals", "commands", "output")
]

PRIVATE_ATTRIBUTES = {
    *("activated_hosts", "active_hosts", "failed_hosts", "fail_hosts", "limit_hosts"),
    *("add_callback_handler", "config_data", "get_active_hosts", "get_group", "op_meta"),
    *("client", "connect", "connected", "connector", "connector_data", "disconnect"),
    *("current_op_global_arguments", "current_op_hash", "current_stage", "get_op_meta"),
    *("get_override_data", "initialised", "is_executing", "is_host_in_limit"),
    *("make_paramiko_kwargs", "should_raise_failed_hosts"),
}
"""What pyinfra's hosts, states and connectors have for pyinfra alone."""


@pytest.mark.parametrize(
    "path",
    [
        path
        for name in (PACKAGE, "deploys", "facts", "group_data", "inventory.py", "config.py")
        for path in ([ROOT / name] if name.endswith(".py") else files(name))
        if path not in INTERNALS
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_one_module_uses_what_pyinfra_promises_nobody(path: Path) -> None:
    tree = parsed(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.split(".")[0] == "pyinfra"]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pyinfra":
            names = {alias.name for alias in node.names}
            assert names <= PUBLIC.get(node.module or "", set()), (
                f"{names} of {node.module}: run/pyinfra_internals.py is the place"
            )
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) not in [one.stem for one in INTERNALS]
    }
    assert path.parts[-2] == "deploys" or not used & PRIVATE_ATTRIBUTES
    assert "get_current_context" not in used, "pyinfra_internals.given_options is the place for it"


ASKING = {
    # One function reads an answer; who may call it is below.
    "pyinfra_swarm/run/asking.py": {"readline"},
    # The passphrase of a key file: no consent, and asked before anything is observed.
    "pyinfra_swarm/backup/backup_file.py": {"getpass"},
    # The boards to look at, before there is a project.
    "pyinfra_swarm/commands/init.py": {"prompt"},
}


@each(PACKAGE)
def test_nobody_is_asked_beside_the_one_function_that_plans_anew(path: Path) -> None:
    # Not "confirm": the rollback has a function of that name, for a host.
    asking = {"input", "prompt", "getpass", "getchar", "readline", "raw_input"}
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    }
    assert called & asking == ASKING.get(str(path.relative_to(ROOT)), set())


AT_WORK = [path for path in files(PACKAGE) if path.parent.name not in ("drift", "boards")]
"""What asks hosts by pyinfra. The check starts pyinfra, and a board that is not declared is asked
by ssh, which says by its exit status whether an answer has ended."""

WAITING = {
    "pyinfra_swarm/run/clock.py": {"clock_gettime"},
    # One wait for all that wait: it notices that another run has begun.
    "pyinfra_swarm/run/converge.py": {"sleep"},
    # Signs of life themselves, and the spinner's last turn before a question.
    "pyinfra_swarm/run/lock.py": {"sleep"},
    "pyinfra_swarm/run/asking.py": {"sleep"},
    # A run that ends waits for what is under way; this computer cannot sleep through that.
    "pyinfra_swarm/run/interruption.py": {"monotonic", "sleep"},
    # An armed change is always seen through: it is kept, or the host undoes it by itself.
    "pyinfra_swarm/rollback/operations.py": {"sleep"},
}


@pytest.mark.parametrize("path", AT_WORK, ids=map(name_of, AT_WORK))
def test_who_waits_asks_for_the_lock_by_a_clock_that_never_stands_still(path: Path) -> None:
    clocks = {"sleep", "monotonic", "perf_counter", "clock_gettime"}
    used = {n.attr for n in ast.walk(parsed(path)) if isinstance(n, ast.Attribute)}
    assert used & clocks == WAITING.get(str(path.relative_to(ROOT)), set())


@each("lab")
def test_the_lab_stands_alone(path: Path) -> None:
    assert not imported(path) & {*PRODUCT, "pyinfra"}


@each(PACKAGE, "deploys", "facts")
def test_the_product_does_not_need_the_lab(path: Path) -> None:
    assert "lab" not in imported(path)


@each("pyinfra_swarm/drift")
def test_the_check_calls_pyinfra_as_a_user_would(path: Path) -> None:
    """It plans in a process of its own: pyinfra's API would tie it to pyinfra's insides."""
    beneath_it = {name for one in imports(path) for name in beneath(one)}
    assert not {name.split(".")[0] for name in beneath_it} & {*DOING - {"subprocess", "requests"}}


@each(PACKAGE)
def test_nothing_needs_the_check(path: Path) -> None:
    drift = f"{PACKAGE}.drift"
    if path.parent.name in ("drift", "commands"):
        return
    assert not any(one.startswith(drift) for one in imports(path))


@pytest.mark.parametrize(
    "room", sorted((ROOT / PACKAGE).glob("*/plan.py")), ids=lambda path: str(path.parent.name)
)
def test_what_tells_of_a_change_is_not_called_as_what_makes_it(room: Path) -> None:
    def functions(path: Path) -> set[str]:
        return {node.name for node in parsed(path).body if isinstance(node, ast.FunctionDef)}

    made = set[str]().union(*map(functions, room.parent.glob("*operations.py")))
    assert {name for name in functions(room) & made if not name.startswith("_")} == set()


def operations() -> list[tuple[str, Any]]:
    found = []
    for module_name in MODULES:
        if module_name.endswith("__main__") or module_name.startswith(f"{PACKAGE}.deploys"):
            continue
        module = importlib.import_module(module_name)
        for name, value in vars(module).items():
            if getattr(value, "_inner", None) and value._inner.__module__ == module_name:
                found.append((f"{module_name.removeprefix(f'{PACKAGE}.')}.{name}", value._inner))
    return found


def arguments(operation: Any) -> list[str]:
    return [name for name in inspect.signature(operation).parameters if name not in ("args",)]


OPERATIONS = operations()
each_operation = pytest.mark.parametrize(
    "operation", [op for _, op in OPERATIONS], ids=[name for name, _ in OPERATIONS]
)


def test_there_are_operations_to_look_at() -> None:
    names = {name for name, _ in OPERATIONS}
    assert {"docker.operations.installed", "ssh.operations.hardened"} <= names


@each_operation
def test_an_operation_says_what_each_argument_means(operation: Any) -> None:
    documented = re.findall(r"^\s*\+ (\w+): \S", inspect.getdoc(operation) or "", re.MULTILINE)
    asked = [name for name in arguments(operation) if name != "settings"]  # its name says it all
    assert [name for name in documented if name != "settings"] == asked


@each_operation
def test_an_operation_uses_no_name_that_pyinfra_reserves(operation: Any) -> None:
    # pyinfra takes these, and `name`, from every operation's arguments.
    reserved = {str(name) for name, *_ in all_global_arguments()} | {"name"}
    assert not reserved & {*arguments(operation)}
    assert not any(argument.startswith("_") for argument in arguments(operation))


def facts() -> list[type[FactBase[Any]]]:
    found: list[type[FactBase[Any]]] = []
    for path in files("facts"):
        module = importlib.import_module(f"facts.{path.stem}".removesuffix(".__init__"))
        for value in vars(module).values():
            if (
                inspect.isclass(value)
                and issubclass(value, FactBase)
                and not value.__dict__.get("abstract", False)
            ):
                found.append(value)
    return found


@pytest.mark.parametrize("fact", facts(), ids=lambda fact: f"{fact.__module__}.{fact.__name__}")
def test_a_fact_says_what_it_gives_and_fails_alone(fact: type[FactBase[Any]]) -> None:
    assert fact.__doc__, "what shape does it return?"
    assert issubclass(fact, SubjectFact)
    assert fact.process is SubjectFact.process, "it must raise nothing but FactProcessError"
    # A fact gives its script; the command around it marks the answer's end.
    assert getattr(fact.command, "__code__", None) is asking(fact.script).__code__


def test_there_is_no_fact_beside_those() -> None:
    """Wherever in the project somebody defines one."""
    for name in MODULES:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    waiting: list[type[FactBase[Any]]] = [FactBase]
    found: set[type[FactBase[Any]]] = set()
    while waiting:
        below = waiting.pop().__subclasses__()
        waiting.extend(below)
        found.update(one for one in below if one.__module__.split(".")[0] == PACKAGE)
    assert {one for one in found if not one.__dict__.get("abstract", False)} == {*facts()}
    for path in files("deploys"):
        assert "FactBase" not in path.read_text()


@pytest.mark.parametrize("path", AT_WORK, ids=map(name_of, AT_WORK))
def test_what_a_host_prints_is_read_only_where_it_is_known_to_be_whole(path: Path) -> None:
    """A cut answer looks like an answer: half an unlock key, half a boot's id."""
    text = path.read_text()
    taken = len(re.findall(r"(?<!\bsys)\.stdout(?:_lines)?\b", text))
    known = len(re.findall(r"\b(?:sections|asked\.process)\(output\.stdout_lines[,)]", text))
    words = text.count("output.stderr_lines or output.stdout_lines")  # last words, for a person
    assert taken == known + words


def test_consent_is_asked_for_by_those_alone_that_plan_anew_when_it_was_given() -> None:
    """pyinfra plans anew by itself after the question below the plan, which the screen asks."""
    asking = {
        str(path.relative_to(ROOT))
        for path in files(PACKAGE)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typed", "asking.typed")
    }
    assert asking == {"pyinfra_swarm/run/confirmation.py", "pyinfra_swarm/run/screen.py"}
