"""The mutations of a module, and a pytest plugin (``-p tests.support.mutant``) that imports it with one.

``FRONTPAY_MUTANT=frontpay_async.callbacks.checksum:17`` applies the 17th mutation of that module. Files stay
as they are.

A mutation exchanges an operator (``<`` and ``<=``, ``==`` and ``!=``, ``and`` and ``or``, ``+`` and ``-``),
drops a ``not``, negates a condition, adds one to a number, inverts a boolean, returns None, exchanges
``break`` and ``continue``, leaves out a call, a ``raise`` or an assignment to a member, or changes a wire
name: a text that is compared, looked up, or a member of a literal set, tuple, list or mapping.

What is not counted, because no test should notice it:

- annotations, ``if TYPE_CHECKING``, types in brackets, overloads, protocols, docstrings, ``__all__`` and
  ``__slots__``;
- decorators with their arguments, and the keywords ``init``, ``repr``, ``slots``, ``eq``, ``order``,
  ``hash``, ``frozen``, ``kw_only``, ``weakref_slot``, ``stacklevel`` and ``maxsize``;
- the words of messages: f-strings, texts that are added or joined, and ``__repr__`` and ``__str__``;
- calls of a logger;
- branches of ``sys.version_info``, of which a Python runs one;
- ``return None`` and ``return False`` as "nothing is returned".
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

__all__ = ["Mutation", "mutated", "mutations", "origin"]

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_DECLARED = frozenset(
    {
        "init",
        "repr",
        "slots",
        "eq",
        "order",
        "hash",
        "frozen",
        "kw_only",
        "weakref_slot",
        "stacklevel",
        "maxsize",
    }
)
_NAMES = frozenset({"__all__", "__slots__"})
_SHOWN = frozenset({"__repr__", "__str__"})
_LOGGED = frozenset({"debug", "info", "warning", "error", "exception", "log"})
_TYPES = frozenset(
    {
        "Annotated",
        "Callable",
        "Literal",
        "defaultdict",
        "deque",
        "dict",
        "frozenset",
        "list",
        "set",
        "tuple",
        "type",
    }
)
_PLAIN = (ast.Name, ast.Attribute, ast.Call, ast.NamedExpr, ast.Subscript, ast.Await)


@frozen
class Mutation:
    """A place of a module that can be changed.

    ``reached`` are the lines that run if the place does. Where it runs when the module is imported, ``used``
    are the lines that use the names it defines.
    """

    at: int
    line: int
    words: str
    reached: frozenset[int]
    used: frozenset[int]


class _Mutator(ast.NodeTransformer):
    """Lists the places that can be changed, and changes one of them."""

    def __init__(self, tree: ast.Module, at: int = -1) -> None:
        self.at = at
        self.found: list[Mutation] = []
        self.around: list[ast.stmt] = []
        self.uses: dict[str, set[int]] = {}
        # What the module's own assignments define, by their lines.
        self.defined: dict[int, set[str]] = {}
        for statement in tree.body:
            for line in range(statement.lineno, (statement.end_lineno or 0) + 1):
                self.defined[line] = _defined(statement)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
                name = node.id if isinstance(node, ast.Name) else node.attr
                self.uses.setdefault(name, set()).update(range(node.lineno, (node.end_lineno or 0) + 1))

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.stmt):
            return super().visit(node)
        self.around.append(node)
        try:
            return super().visit(node)
        finally:
            self.around.pop()

    def _hit(self, node: ast.AST, words: str) -> bool:
        line: int = getattr(node, "lineno", 0)
        self.found.append(Mutation(len(self.found), line, words, self._reached(node), self._used()))
        return len(self.found) - 1 == self.at

    def _reached(self, node: Any) -> frozenset[int]:
        statement: Any = self.around[-1]
        if not hasattr(statement, "body") and not isinstance(statement, ast.Match):
            return frozenset(range(statement.lineno, statement.end_lineno + 1))
        header = getattr(statement, "test", None) or getattr(statement, "iter", None) or node
        lines = {*range(header.lineno, header.end_lineno + 1), *range(node.lineno, node.end_lineno + 1)}
        return frozenset(lines)

    def _used(self) -> frozenset[int]:
        """Return the lines that use what the statement defines."""
        names: set[str] = set()
        for statement in self.around:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return frozenset(range(statement.body[0].lineno, (statement.end_lineno or 0) + 1))
            names |= _defined(statement)
        lines: set[int] = set()
        known: set[str] = set()
        while names - known:
            name = min(names - known)
            known.add(name)
            found = self.uses.get(name, set())
            lines |= found
            names = names.union(*(self.defined.get(line, set()) for line in found))
        return frozenset(lines)

    def _word(self, node: ast.AST | None) -> None:
        """Change a wire name, if it is one."""
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and self._hit(node, f"{node.value!r}")
        ):
            node.value += "~"

    def _condition(self, node: Any) -> None:
        if isinstance(node.test, _PLAIN) and self._hit(node.test, "the condition is negated"):
            node.test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for place, operator in enumerate(node.ops):
            other = _COMPARISONS[type(operator)]
            if self._hit(node, f"{type(operator).__name__} becomes {other.__name__}"):
                node.ops[place] = other()
        for each in (node.left, *node.comparators):
            self._word(each)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if any(_is_text(each) for each in ast.walk(node)):
            return node
        self.generic_visit(node)
        other = _OPERATORS.get(type(node.op))
        if other is not None and self._hit(node, f"{type(node.op).__name__} becomes {other.__name__}"):
            node.op = other()
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if _is_text(node.value):
            return node
        self.generic_visit(node)
        other = _OPERATORS.get(type(node.op))
        if other is not None and self._hit(node, f"{type(node.op).__name__} becomes {other.__name__}"):
            node.op = other()
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        if self._hit(node, "and and or are exchanged"):
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node.operand if isinstance(node.op, ast.Not) and self._hit(node, "not is left out") else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        value = node.value
        if isinstance(value, bool):
            if self._hit(node, f"{value} becomes {not value}"):
                return ast.copy_location(ast.Constant(not value), node)
        elif isinstance(value, (int, float)) and self._hit(node, f"{value} becomes {value + 1}"):
            return ast.copy_location(ast.Constant(value + 1), node)
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        nothing = isinstance(node.value, ast.Constant) and node.value.value in (None, False)
        if node.value is not None and not nothing and self._hit(node, "nothing is returned"):
            return ast.copy_location(ast.Return(ast.Constant(None)), node)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if not isinstance(call, ast.Call):
            return node if isinstance(call, ast.Constant) else self.generic_visit(node)
        if _is_logging(call):
            return node
        self.generic_visit(node)
        return ast.copy_location(ast.Pass(), node) if self._hit(node, "the call is left out") else node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.Pass(), node) if self._hit(node, "the raise is left out") else node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if any(isinstance(each, ast.Name) and each.id in _NAMES for each in node.targets):
            return node
        self.generic_visit(node)
        members = all(isinstance(each, (ast.Attribute, ast.Subscript)) for each in node.targets)
        if members and self._hit(node, "the assignment is left out"):
            return ast.copy_location(ast.Pass(), node)
        return node

    def visit_Break(self, node: ast.Break) -> ast.AST:
        return ast.copy_location(ast.Continue(), node) if self._hit(node, "break becomes continue") else node

    def visit_Continue(self, node: ast.Continue) -> ast.AST:
        return ast.copy_location(ast.Break(), node) if self._hit(node, "continue becomes break") else node

    def visit_If(self, node: ast.If) -> ast.AST:
        condition = ast.unparse(node.test)
        if "version_info" in condition:
            return node
        if condition == "TYPE_CHECKING":
            node.orelse = [self.visit(each) for each in node.orelse]
            return node
        self.generic_visit(node)
        self._condition(node)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        self.generic_visit(node)
        self._condition(node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        self._condition(node)
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        for key in node.keys:
            self._word(key)
        return node

    def visit_Set(self, node: Any) -> Any:
        self.generic_visit(node)
        for each in node.elts:
            self._word(each)
        return node

    visit_Tuple = visit_List = visit_Set  # noqa: N815 - the names that ast calls

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id in _TYPES:
            return node
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Store):
            self._word(node.slice)
        return node

    def visit_MatchValue(self, node: ast.MatchValue) -> ast.AST:
        self.generic_visit(node)
        self._word(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in {"get", "startswith", "endswith"}:
            self._word(node.args[0] if node.args else None)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        return node if node.arg in _DECLARED else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        if node.name in _SHOWN or any("overload" in ast.unparse(each) for each in node.decorator_list):
            return node
        node.args = self.visit(node.args)
        node.body = [self.visit(each) for each in node.body]
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name that ast calls

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if not any("Protocol" in ast.unparse(each) for each in node.bases):
            node.body = [self.visit(each) for each in node.body]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node


def _defined(statement: ast.stmt) -> set[str]:
    """Return the names that an assignment defines."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return {each.id for each in targets if isinstance(each, ast.Name)}


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_logging(call: ast.Call) -> bool:
    called = call.func
    return (
        isinstance(called, ast.Attribute)
        and called.attr in _LOGGED
        and "log" in ast.unparse(called.value).lower()
    )


def origin(module: str) -> Path:
    """Return the path of a module's source, without importing its package."""
    return Path(__file__).parents[2].joinpath(*module.split(".")).with_suffix(".py")


def mutations(source: str) -> list[Mutation]:
    """Return all places of a source that can be changed."""
    tree = ast.parse(source)
    mutator = _Mutator(tree)
    mutator.visit(tree)
    return mutator.found


def mutated(source: str, path: str, at: int) -> CodeType:
    """Compile a source with one mutation; with none where ``at`` is negative."""
    tree = ast.parse(source)
    changed: ast.Module = _Mutator(tree, at).visit(tree)
    return compile(ast.fix_missing_locations(changed), path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, at: int) -> None:
        self.module = module
        self.at = at

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(name, spec.origin, self.at)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, at: int) -> None:
        super().__init__(name, path)
        self.at = at

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return mutated(self.get_data(path).decode(), path, self.at)


if "FRONTPAY_MUTANT" in os.environ:
    _module, _, _at = os.environ["FRONTPAY_MUTANT"].partition(":")
    sys.meta_path.insert(0, _Finder(_module, int(_at)))
    for _name in [each for each in sys.modules if each.partition(".")[0] == "frontpay_async"]:
        del sys.modules[_name]
