"""Small changes to a module, each of which some test should notice.

What counts, and what does not, is in ``docs/decisions/mutation.md``: decisions count, the wording
of what a person reads does not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]

READ_BY_PEOPLE = ("what", "reason", "expected", "found", "remedy")
"""A finding's texts, in their order."""

_PROSE = re.compile(r"[A-Za-z]{2,}[,;]? [a-z]{2,}|…")
_OTHER_COMPARISON: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OTHER_OPERATOR: dict[type[ast.operator], type[ast.operator]] = {
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_OTHER_FUNCTION = {"any": "all", "all": "any", "min": "max", "max": "min", "sorted": "list"}
_OTHER_METHOD = {
    "startswith": "endswith",
    "endswith": "startswith",
    "partition": "rpartition",
    "rpartition": "partition",
}
_TYPES = {"Literal", "ClassVar", "tuple", "dict", "Mapping", "Sequence", "Callable", "Iterable"}
_METHODS_WITHOUT_NEED = {"lower", "upper", "strip", "lstrip", "rstrip", "casefold"}


@dataclass(frozen=True)
class Mutant:
    """A change to a module.

    line: where it is; statement: the lines of the statement around it.
    place: the function or class, ``Engine.version``; empty at the module's own level.
    old, new: the part that is changed, as Python text in one line.
    code: the whole module with the change, compiled.
    """

    line: int
    statement: range
    place: str
    old: str
    new: str
    code: CodeType

    def __str__(self) -> str:
        return f"{self.place or 'module'}: `{self.old}` → `{self.new}`"


@cache
def finding_names() -> frozenset[str]:
    """The classes of findings, by the name they are called by."""
    bases: dict[str, set[str]] = {}
    for path in (ROOT / "pyinfra_swarm").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                named = {base.id for base in node.bases if isinstance(base, ast.Name)}
                bases.setdefault(node.name, set()).update(named)
    names = {"Finding"}
    while more := {name for name, of in bases.items() if of & names} - names:
        names |= more
    return frozenset(names)


def compiled(path: Path, tree: ast.Module | None = None) -> CodeType:
    """A module's code, as importing it would have it."""
    return compile(tree or ast.parse(path.read_text()), str(path), "exec", dont_inherit=True)


def mutants(path: Path) -> list[Mutant]:
    """All changes to this module that count, in the order of its lines."""
    tree = ast.parse(path.read_text())
    return list(_Mutation(tree, path, finding_names()).all())


class _Mutation:
    """Walks a module's tree, puts one change at a time into it, and takes it out again."""

    def __init__(self, tree: ast.Module, path: Path, findings: frozenset[str]) -> None:
        self.tree, self.path, self.findings = tree, path, findings

    def all(self) -> Iterator[Mutant]:
        for child, put in _children(self.tree):
            yield from self._walk(child, put, self.tree, range(0), ())

    def _walk(
        self,
        node: ast.AST,
        put: Callable[[ast.AST], None],
        parent: ast.AST,
        statement: range,
        names: tuple[str, ...],
    ) -> Iterator[Mutant]:
        if _left_out(node, parent, self.findings):
            return
        if isinstance(node, ast.stmt):
            statement = _lines(node)
        seen = {ast.dump(node)}
        for new in _replacements(node, parent, names, self.findings):
            if ast.dump(new) in seen:
                continue
            seen.add(ast.dump(new))
            put(ast.fix_missing_locations(ast.copy_location(copy(new), node)))
            try:
                code = compiled(self.path, self.tree)
            except (SyntaxError, ValueError, TypeError):
                continue
            finally:
                put(node)
            yield Mutant(
                line=getattr(node, "lineno", statement.start),
                statement=statement,
                place=".".join(names),
                old=_text(node),
                new=_text(new),
                code=code,
            )
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = (*names, node.name)
        for child, put_child in _children(node):
            yield from self._walk(child, put_child, node, statement, names)


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, Callable[[ast.AST], None]]]:
    """The parts of a node, each with what puts another in its place."""
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield value, partial(setattr, node, name)
        elif isinstance(value, list):
            for at, part in enumerate(value):
                if isinstance(part, ast.AST):
                    yield part, partial(value.__setitem__, at)


def _lines(statement: ast.stmt) -> range:
    """The lines of a statement; of one with a body those of its head."""
    body: list[ast.stmt] | None = getattr(statement, "body", None)
    last = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return range(statement.lineno, max(last, statement.lineno) + 1)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.If | ast.While):
        node = _with(node, body=[ast.Expr(ast.Constant(...))], orelse=[])
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else text[:60] + " … " + text[-37:]


# What does not count
# -------------------


def _left_out(node: ast.AST, parent: ast.AST, findings: frozenset[str]) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.arg():
            return True  # a parameter's own part is its annotation; defaults are elsewhere
        case ast.Expr(value=ast.Constant()):
            return True  # documentation
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Subscript(value=ast.Name(id=name)) if name in _TYPES:
            return True
        case ast.keyword(arg=str(name)) if name in READ_BY_PEOPLE[1:]:
            return True
        case ast.keyword(arg="strict"):
            return True  # zip's: it guards against our own mistakes
        case ast.Constant() | ast.JoinedStr() | ast.BinOp(op=ast.Add()) if _prose(node):
            return True
        case ast.Constant(value=str(text)) if isinstance(parent, ast.Attribute):
            return parent.attr == "join" and (" " in text or "," in text)
    match parent:
        case ast.Raise():
            return True
        case ast.AnnAssign() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            declared = [getattr(parent, "annotation", None), getattr(parent, "returns", None)]
            outside = [*getattr(parent, "decorator_list", ()), *getattr(parent, "bases", ())]
            return node in declared or node in outside or isinstance(node, ast.keyword)
        case ast.FormattedValue():
            return node is parent.format_spec
        case ast.Call(func=ast.Name(id=name)) if name in findings:
            return node in parent.args[: len(READ_BY_PEOPLE)]
        case ast.Call(func=ast.Name(id="cast")):
            return node is parent.args[0]
    return False


def _prose(node: ast.AST) -> bool:
    """Text for a person: words with blanks between them."""
    return _PROSE.search(_written(node)) is not None


def _written(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_written(value) for value in values)
        case ast.FormattedValue():
            return "xx"
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _written(left) + "\n" + _written(right)
        case ast.IfExp(body=body, orelse=orelse):
            return _written(body) + "\n" + _written(orelse)
    return ""


# What does
# ---------


def _replacements(
    node: ast.AST, parent: ast.AST, names: tuple[str, ...], findings: frozenset[str]
) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(number) | float(number)):
            yield ast.Constant(number + 1)
        case ast.Constant(value=str(text)):
            yield ast.Constant(f"XX{text}XX")
        case ast.Compare(ops=operators):
            for at, operator in enumerate(operators):
                yield _with(node, ops=_put(operators, at, _OTHER_COMPARISON[type(operator)]()))
        case ast.BoolOp(values=values):
            for at in range(len(values)):
                left = _without(values, at)
                yield left[0] if len(left) == 1 else _with(node, values=left)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(op=ast.Add(), left=first, right=second):
            yield from (first, second)
        case ast.BinOp(op=ast.BitOr(), right=ast.Constant(value=None)):
            pass  # a type
        case ast.BinOp(op=operator) if type(operator) in _OTHER_OPERATOR:
            yield _with(node, op=_OTHER_OPERATOR[type(operator)]())
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.Call():
            yield from _calls(node)
        case ast.Set(elts=[_]):
            yield ast.Call(ast.Name("set", ast.Load()), [], [])
        case ast.List(elts=parts) | ast.Set(elts=parts):
            for at in _to_be_dropped(parts):
                yield _with(node, elts=_without(parts, at))
        case ast.Tuple(elts=parts, ctx=ast.Load()) if not names or _is_looked_up_in(node, parent):
            for at in _to_be_dropped(parts):
                yield _with(node, elts=_without(parts, at))
        case ast.Dict(keys=keys, values=values):
            for at in _to_be_dropped(keys):
                yield _with(node, keys=_without(keys, at), values=_without(values, at))
        case ast.If(test=test) | ast.While(test=test) if _has_no_mutant_of_its_own(test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=tests):
            for at in range(len(tests)):
                yield _with(node, ifs=_without(tests, at))
        case ast.Expr() | ast.AugAssign() | ast.Raise():
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.Match(cases=cases) if len(cases) > 1:
            for at in range(len(cases)):
                yield _with(node, cases=_without(cases, at))


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    match node.func:
        case ast.Name(id=name) if name in _OTHER_FUNCTION:
            yield _with(node, func=ast.Name(_OTHER_FUNCTION[name], ast.Load()), **_plain(name))
        case ast.Attribute(attr=name, value=value) if name in _OTHER_METHOD:
            other = ast.Attribute(value, _OTHER_METHOD[name], ast.Load())
            yield _with(node, func=other)
        case ast.Attribute(attr=name, value=value) if name in _METHODS_WITHOUT_NEED:
            yield value
    for at, keyword in enumerate(node.keywords):
        if keyword.arg and keyword.arg not in (*READ_BY_PEOPLE[1:], "strict"):
            yield _with(node, keywords=_without(node.keywords, at))


def _plain(name: str) -> dict[str, Any]:
    """``list`` takes no key."""
    return {"keywords": []} if name == "sorted" else {}


def _to_be_dropped(parts: Sequence[ast.expr | None]) -> list[int]:
    """Literal ones are changed instead, which says as much."""
    return [at for at, part in enumerate(parts) if not isinstance(part, ast.Constant)]


def _is_looked_up_in(node: ast.Tuple, parent: ast.AST) -> bool:
    return isinstance(parent, ast.Compare) and node in parent.comparators


def _has_no_mutant_of_its_own(test: ast.expr) -> bool:
    return not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    new = copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _without(parts: list[T], at: int) -> list[T]:
    return [*parts[:at], *parts[at + 1 :]]


def _put(parts: list[T], at: int, part: T) -> list[T]:
    return [*parts[:at], part, *parts[at + 1 :]]
