"""Faulty input, made from input that is right: bytes, trees as of TOML and JSON, and tables.

All take a `random.Random`, so that a seed, or Hypothesis, decides what comes out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from random import Random
from typing import Any

import pyarrow as pa

ODD_TEXT = (
    "",
    " ",
    "nan",
    "none",
    "\x00",
    "\n",
    "two\nlines",
    "\x1b[31mred",
    "../../escaped",
    "/etc/passwd",
    "~/escaped",
    "evil.py",
    "ai2027",
    "a" * 5000,
    "é\u202e𝔘",
    "{{ 7 * 7 }}",
    "<script>alert(1)</script>",
    "__import__('os').system('touch escaped')",
    "$(touch escaped)",
)
ODD_VALUES: tuple[Any, ...] = (
    *ODD_TEXT,
    0,
    1,
    -1,
    2,
    10**6,
    2**31,
    2**63,
    10**40,
    int("f" * 5000, 16),  # more digits than Python prints
    0.0,
    -0.0,
    0.5,
    1e-320,
    1e308,
    math.nan,
    math.inf,
    -math.inf,
    True,
    False,
    [],
    [[]],
    [1, "a"],
    {},
    {"a": {}},
    {"": 1},
    date(2027, 1, 1),
)
TOKENS = (
    b"[",
    b"]",
    b"[[",
    b"{",
    b"}",
    b"=",
    b'"',
    b'"""',
    b"'",
    b"\n",
    b"\r",
    b".",
    b",",
    b"#",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"nan",
    b"inf",
    b"1e999",
    b"-0",
    b"0x" + b"f" * 5000,
    b"9" * 5000,
    b"[" * 3000,
    b"a = " + b"[" * 3000 + b"]" * 3000,
    b"base = 'ai2027'\n",
    b"1979-05-27T07:32:00Z",
    b"true",
)


def mutated_bytes(rng: Random, data: bytes) -> bytes:
    """Bytes with one to four faults: flipped, cut, doubled, moved, or a token put in."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 1, 8, 100)))
        kind = rng.randrange(6)
        if kind == 0:
            data = data[:at] + bytes(rng.randrange(256) for _ in data[at:end]) + data[end:]
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:at] + data[at:end] * 2 + data[end:]
        elif kind == 3:
            data = data[:at]
        elif kind == 4:
            there = rng.randrange(len(data) + 1)
            data = data[:there] + data[at:end] + data[there:]
        else:
            data = data[:at] + rng.choice(TOKENS) + data[at:]
    return data


def mutated_tree(rng: Random, tree: dict[str, Any]) -> dict[str, Any]:
    """A tree with one to three faults: a value, key or branch that is changed, moved or gone."""
    tree = _copied(tree)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            return {"x": rng.choice(ODD_VALUES)}
        owner, key = rng.choice(places)
        kind = rng.randrange(7)
        if kind < 3:
            owner[key] = _odd(rng, owner[key])
        elif kind == 3:
            del owner[key]
        elif kind == 4 and isinstance(owner, dict):
            owner[_misspelt(rng, key)] = owner.pop(key)
        elif kind == 5 and isinstance(owner, dict):
            owner[rng.choice(ODD_TEXT)] = rng.choice(ODD_VALUES)
        else:
            other, there = rng.choice(places)
            if there in other if isinstance(other, dict) else there < len(other):
                owner[key] = _copied(other[there])
    return tree


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a tree, as what owns it and its key."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        yield node, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


def _copied(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _copied(value) for key, value in node.items()}
    return [_copied(value) for value in node] if isinstance(node, list) else node


def _odd(rng: Random, value: Any) -> Any:
    """Another value: of any kind, or near to what it was."""
    if rng.random() < 0.5 and isinstance(value, (int, float)) and not isinstance(value, bool):
        return rng.choice((-value, value * 10, value + 1, value / 10, float(value), str(value)))
    return rng.choice(ODD_VALUES)


def _misspelt(rng: Random, name: str) -> str:
    at = rng.randrange(len(name) + 1)
    return rng.choice((name[:at] + name[at + 1 :], name[:at] + "x" + name[at:], name.upper()))


def mutated_table(rng: Random, table: pa.Table) -> pa.Table:
    """A table, marked as it was, with a column or rows that are changed, gone or too many."""
    names, at = table.column_names, rng.randrange(len(table.column_names))
    kind = rng.randrange(8)
    if kind == 0:
        return table.drop_columns([names[at]])
    if kind == 1:
        return table.rename_columns([_misspelt(rng, n) if n == names[at] else n for n in names])
    if kind == 2:
        return table.slice(0, rng.randrange(len(table) + 1))
    if kind == 3:
        return pa.concat_tables([table, table.slice(0, rng.randrange(len(table) + 1))])
    if kind == 4:
        return table.select(rng.sample(names, len(names)))
    if kind == 5 and len(table):
        return table.take(rng.choices(range(len(table)), k=len(table)))
    column = pa.array([rng.choice(_CELLS)] * len(table))
    if kind == 6:
        return table.append_column(rng.choice(("", "extra", "<script>")), column)
    return table.set_column(at, names[at], column)


_CELLS = (None, math.nan, math.inf, -1.0, 1e300, -1, 2**62, True, "", "x", "<b>", b"\xff", [1.0])
