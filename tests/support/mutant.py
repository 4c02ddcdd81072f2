"""A pytest plugin (``-p tests.support.mutant``) that changes one place of one module when it is imported.

``FRONTPAY_MUTANT=frontpay_async.callbacks.checksum:17`` applies the 17th mutation of that module. Files stay
as they are.
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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

__all__ = ["count", "describe"]

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip


class _Mutator(ast.NodeTransformer):
    """Counts the places that can be changed, and changes one of them."""

    def __init__(self, at: int = -1) -> None:
        self.at = at
        self.seen = 0
        self.told = ""

    def _hit(self, node: ast.AST, words: str) -> bool:
        self.seen += 1
        if self.seen - 1 != self.at:
            return False
        self.told = f"line {getattr(node, 'lineno', '?')}: {words}"
        return True

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for place, operator in enumerate(node.ops):
            other = _COMPARISONS[type(operator)]
            if self._hit(node, f"{type(operator).__name__} becomes {other.__name__}"):
                node.ops[place] = other()
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
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
        if node.value is not None and self._hit(node, "nothing is returned"):
            return ast.copy_location(ast.Return(ast.Constant(None)), node)
        return node

    # An annotation is not run: to change it changes nothing.
    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_FunctionDef(self, node: Any) -> ast.AST:
        returns, node.returns = node.returns, None
        self.generic_visit(node)
        node.returns = returns
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name that ast calls

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text("utf-8")


def count(module: str) -> int:
    """Return how many mutations a module has."""
    mutator = _Mutator()
    mutator.visit(ast.parse(_source(module)))
    return mutator.seen


def describe(module: str, at: int) -> str:
    """Say what a mutation changes."""
    mutator = _Mutator(at)
    mutator.visit(ast.parse(_source(module)))
    return mutator.told


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
        tree: Any = _Mutator(self.at).visit(ast.parse(self.get_data(path)))
        return compile(ast.fix_missing_locations(tree), path, "exec")


if "FRONTPAY_MUTANT" in os.environ:
    _module, _, _at = os.environ["FRONTPAY_MUTANT"].partition(":")
    sys.meta_path.insert(0, _Finder(_module, int(_at)))
    for _name in [each for each in sys.modules if each.partition(".")[0] == "frontpay_async"]:
        del sys.modules[_name]
