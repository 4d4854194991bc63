"""Faulty programs: a source file with one small change, for `tests/mutate.py` to try.

The changes are Cosmic Ray's (another operator or number, a condition turned round, a loop that
never runs, a decorator less, ...), and one that it lacks: an effect left out. None is made where it
could show only in words or in speed: in annotations, in the text of messages, and in the decorators
that compile a loop.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider
from parso.python.tree import Keyword

BINARY: Final = {"arith_expr", "term", "expr", "shift_expr", "power", "and_expr", "xor_expr"}
"""Where an operator has two sides; a star also stands in signatures and displays."""

BITWISE: Final = {"LShift", "RShift", "BitOr", "BitAnd", "BitXor"}

COMPILERS: Final = {"compiled", "inlined", "register_jitable"}


@dataclass(frozen=True)
class Mutant:
    """A source file with one change: the line of its first difference, before and after."""

    source: str
    line: int
    before: str
    after: str


class EffectRemover(Operator):
    """Leaves out a call made for its effect, an assignment to what others see, or a complaint."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Where it can: at statements, though not at docstrings and bare names."""
        if node.type == "simple_stmt" and self._has_effect(node.children[0]):
            yield node.start_pos, node.end_pos

    @staticmethod
    def _has_effect(statement: Any) -> bool:
        if statement.type != "expr_stmt":
            return statement.type in ("atom_expr", "raise_stmt")
        target, operator = statement.children[:2]
        return operator.type == "operator" and (operator.value != "=" or target.type == "atom_expr")

    def mutate(self, node: Any, index: int) -> Any:
        """Put `pass` in its place."""
        first = node.get_first_leaf()
        node.children[0] = Keyword("pass", first.start_pos, first.prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        """None: Cosmic Ray asks for them only in its own tests."""
        return ()


def operators() -> dict[str, Any]:
    """Every kind of change by its name, but for those that take names of variables."""
    provider = OperatorProvider()
    made = {n: provider[n]() for n in provider if not n.startswith("Variable")}
    return {**made, EffectRemover.__name__: EffectRemover()}


def places(source: str) -> list[list[tuple[Any, int]]]:
    """What can be changed: for each place the rival changes, as (operator, its occurrence).

    An operator with two sides can be replaced by eleven others, a number by two. Whoever draws a
    place first and then a change does not ask the same question eleven times.
    """
    nodes = list(ast_nodes(get_ast(source)))
    found: dict[tuple[Any, str], list[tuple[Any, int]]] = defaultdict(list)
    for name, operator in operators().items():
        occurrence = 0
        for node in nodes:
            for at in operator.mutation_positions(node):
                if _can_show(node, name):
                    found[at, name.partition("_")[0]].append((operator, occurrence))
                occurrence += 1
    return list(found.values())


def _can_show(node: Any, operator: str) -> bool:
    """Whether a change at a node can show in what the program does."""
    kind, *signs = operator.split("_")
    if kind == "ReplaceBinaryOperator":
        # Bits of a float fail wherever they are reached: such changes would flatter the score.
        return node.parent.type in BINARY and len(BITWISE.intersection(signs)) != 1 and _acts(node)
    if kind == "RemoveDecorator":
        return node.children[1].get_code() not in COMPILERS
    if kind == "AddNot" and node.children[1].get_code().strip() == "TYPE_CHECKING":
        return False
    return _acts(node)


def _acts(node: Any) -> bool:
    """Whether a node is outside of annotations and of texts with values in them."""
    while node.parent is not None:
        inner, node = node, node.parent
        before = node.children[node.children.index(inner) - 1].get_code().strip()
        annotates = {"tfpdef": ":", "annassign": ":", "funcdef": "->"}.get(node.type) == before
        if node.type == "fstring" or annotates:
            return False
    return True


def sample(source: str, size: int, seed: str) -> tuple[int, list[Mutant]]:
    """How many changes are possible, and some of them: one a place, at places drawn by the seed."""
    random = Random(seed)
    rivals = places(source)
    possible = sum(map(len, rivals))
    random.shuffle(rivals)
    drawn: list[Mutant] = []
    for changes in rivals:
        if len(drawn) == size:
            break
        mutant = _made(source, *random.choice(changes))
        if mutant is not None:
            drawn.append(mutant)
    return possible, sorted(drawn, key=lambda mutant: mutant.line)


def _made(source: str, operator: Any, occurrence: int) -> Mutant | None:
    """The mutant; None if it is no program, or the same one."""
    changed = mutate_code(source, operator, occurrence)
    try:
        if changed is None or ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)):
            return None
        with warnings.catch_warnings(action="ignore"):  # such as of `is` beside a number
            compile(changed, "mutant", "exec")
    except SyntaxError:
        return None
    old, new = source.splitlines(), changed.splitlines()
    edits = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    _, i, j, k, m = next(edit for edit in edits if edit[0] != "equal")
    before, after = (" ".join(" ".join(part).split()) for part in (old[i:j], new[k:m]))
    return Mutant(changed, i + 1, before, after)
