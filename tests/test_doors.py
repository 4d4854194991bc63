"""What gets in: values from Python, files that people write, pipes, names and days."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import small_model

from multicopy.agents.parameters import Parameters
from multicopy.analysis.files import plugins
from multicopy.analysis.many.points import Plan
from multicopy.analysis.many.reading import check, load
from multicopy.analysis.questions.experiments import EFFECTS, load_effects
from multicopy.model.scenario import InputError, resolve, scale_rounds, shipped, table, to_toml

# --- values from Python ---------------------------------------------------------------------------


def of_numpy(value: Any) -> Any:
    """The same value as NumPy has it."""
    if isinstance(value, dict):
        return {np.str_(key): of_numpy(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return np.array(value) if value else value
    kinds = {bool: np.bool_, int: np.int64, float: np.float64, str: np.str_}
    return kinds[type(value)](value) if type(value) in kinds else value


def leaves(tree: Any) -> Iterator[Any]:
    """All values of a tree."""
    inside = tree.values() if isinstance(tree, dict) else tree
    if isinstance(tree, (dict, list, tuple)):
        for value in inside:
            yield from leaves(value)
    else:
        yield tree


def test_numbers_of_numpy_are_taken_for_every_parameter_and_kept_as_pythons() -> None:
    """Fails if a parameter refuses what NumPy computed, or keeps what JSON cannot hold."""
    for scenario in shipped():
        p = resolve(scenario)
        rows = [row for row in table(p) if row.path != "changes"]
        again = resolve(scenario, {np.str_(row.path): of_numpy(row.default) for row in rows})
        assert again == p
        told = {type(value) for value in leaves(again.model_dump())}
        assert told <= {int, float, bool, str, type(None)}
        assert to_toml(again) == to_toml(p)


@pytest.mark.parametrize(
    "kind",
    [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.uint64, np.array],
    ids=lambda kind: kind.__name__,
)
def test_every_door_takes_numbers_of_numpy(kind: Any) -> None:
    """Fails if one of the ways in refuses a kind of number that another takes."""
    value = kind(1)
    assert resolve(overrides={"oversight.audit": value}).oversight.audit == 1.0
    assert Parameters.model_validate({**resolve().model_dump(), "lab": {"memory": kind(0)}})
    model = small_model(0, **{"oversight.audit": value})
    model.change_policy("oversight.audit", value)
    (change,) = model.declared.changes
    assert type(change.value) in (int, float)
    assert scale_rounds(resolve(), value) == resolve()
    design = {"fixed": {"oversight.debate": value}, "factors": {"oversight.audit": [value]}}
    plain = {"fixed": {"oversight.debate": 1.0}, "factors": {"oversight.audit": [1.0]}}
    sweep = load(design)
    check(sweep)
    assert Plan(sweep).job(0).held == Plan(load(plain)).job(0).held
    if kind is not np.array:
        levels = np.array([0, 1], dtype=kind)
        assert load({"factors": {"oversight.audit": levels}}).parsed()[0].levels == (0, 1)


@pytest.mark.parametrize("value", [np.nan, np.float32("inf"), np.float16("-inf"), np.array(np.nan)])
def test_what_is_no_number_is_refused_at_every_door(value: Any) -> None:
    """Fails if NaN or infinity gets in by one of the ways."""
    with pytest.raises(InputError, match=r"^oversight\.penalty = -?(nan|inf) is out of bounds"):
        resolve(overrides={"oversight.penalty": value})
    model = small_model(0)
    with pytest.raises(InputError, match=r"^change in round 1: oversight\.penalty = -?(nan|inf) "):
        model.change_policy("oversight.penalty", value)
    assert model.declared.changes == ()
    with pytest.raises(InputError):
        scale_rounds(resolve(), value)
    with pytest.raises(InputError):
        check(load({"factors": {"oversight.penalty": [1.0, value]}}))


# --- files ----------------------------------------------------------------------------------------

PLUGIN = (
    "from multicopy.agents.extensions import measure\n"
    "@measure('mine', 'x')\ndef mine(model): return 0\n"
)
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "scenario": ("base = 'ai2027'\nname = 'mine'\n", resolve),
    "base of a scenario": ("base = 'other.toml'\n", resolve),
    "design": ('[factors]\n"oversight.audit" = [0.1]\n', load),
    "effects": (EFFECTS.read_text(encoding="utf-8"), load_effects),
    "plug-in": (PLUGIN, lambda path: plugins.load([str(path)])),
}
"""Files that people write: a text, and what reads it."""


@pytest.mark.parametrize("what", READERS)
def test_a_file_may_begin_with_a_byte_order_mark(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a file that an editor on another system wrote is refused, or read otherwise."""
    monkeypatch.setattr(plugins, "_loaded", {})
    text, read = READERS[what]
    (tmp_path / "other.toml").write_bytes(b"\xef\xbb\xbfbase = 'slowdown'\n")
    read_plain, marked = (
        tmp_path / f"{name}.{'py' if what == 'plug-in' else 'toml'}" for name in "ab"
    )
    read_plain.write_text(text, encoding="utf-8")
    marked.write_bytes(b"\xef\xbb\xbf" + text.encode())
    try:
        found = read(marked)
        if what == "design":
            assert found.model_dump() == {**read(read_plain).model_dump(), "name": "b"}
        elif what != "plug-in":
            assert found == read(read_plain)
    finally:
        plugins.forget()


def test_there_is_one_reader_of_toml_that_people_write() -> None:
    """Fails if another file reads TOML by itself, and so minds marks, depth or size otherwise."""
    root = Path(__file__).parents[1]
    own = {
        str(path.relative_to(root))
        for folder in ("agents", "model", "analysis")
        for path in (root / folder).rglob("*.py")
        if "tomllib.load" in path.read_text(encoding="utf-8")
    }
    # The latter reads pyproject.toml, which is our own.
    assert own == {"model/scenario.py", "analysis/files/versions.py"}


@pytest.mark.parametrize("how", ["pipe", "standard input", "deleted"])
def test_a_scenario_may_come_through_a_pipe(how: str, tmp_path: Path) -> None:
    """Fails if what a shell puts in the place of a file is looked up, or not read at all."""
    text = "base = 'slowdown'\nname = 'mine'\n"
    path = tmp_path / "mine.toml"
    if how == "pipe":
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_text, args=[text])
        writer.start()
        found = resolve(path)
        writer.join()
    elif how == "standard input":
        there, here = os.pipe()
        os.write(here, text.encode())
        os.close(here)
        found = resolve(f"/dev/fd/{there}")
        os.close(there)
    else:  # a document within a script, as some shells hand it over
        path.write_text(text)
        with path.open() as file:
            path.unlink()
            found = resolve(f"/dev/fd/{file.fileno()}")
    assert found == resolve("slowdown", {"name": "mine"})


# --- names and days -------------------------------------------------------------------------------

WRONG_NAMES = (" ", "a ", "a\nb", "\x1b[31mred", "a\u202eb", "a" * 61)
RIGHT_NAMES = (
    "a",
    "$5 against $10",
    "[red]x[/red]",
    "<b>&",
    "\u00e9\U0001d518",
    "%s {0}",
    "a" * 60,
)


@pytest.mark.parametrize("name", WRONG_NAMES, ids=ascii)
def test_a_name_that_no_table_can_show_is_refused(name: str) -> None:
    """Fails if a name or label gets in at which a summary or figure breaks after the run."""
    p = resolve().model_dump()
    phase, author = p["phases"]["pretraining"], p["archetypes"]["hhh"]
    for what, tree in (
        ("name = ", {"name": name}),
        (r"phases\.pretraining\.label = ", {"phases": {"pretraining": {**phase, "label": name}}}),
        ("phases: the name = ", {"phases": {name: phase}}),
        ("archetypes: the name = ", {"archetypes": {**p["archetypes"], name: author}}),
    ):
        with pytest.raises(InputError, match=rf"^{what}.*1 to 60 printable"):
            resolve(overrides=tree)


@pytest.mark.parametrize("name", RIGHT_NAMES, ids=ascii)
def test_a_name_that_a_table_can_show_is_taken(name: str) -> None:
    """Fails if the bound on names is met too early, or forbids what is only unusual."""
    phase = resolve().model_dump()["phases"]["pretraining"]
    tree = {"name": name, "phases": {name: {**phase, "label": name}}}
    p = Parameters.model_validate({**resolve().model_dump(), **tree})
    assert list(p.phases) == [p.name] == [p.phases[name].label]


@pytest.mark.parametrize("name", ["a.b", "", "prior", "prior_sd"])
def test_an_author_may_not_be_called_what_means_something_else(name: str) -> None:
    """Fails if a path cannot tell an author, or a table has two rows of one name."""
    authors = resolve().model_dump()["archetypes"]
    with pytest.raises(InputError, match=r"^archetypes: the name"):
        resolve(overrides={"archetypes": {**authors, name: authors["hhh"]}})


@pytest.mark.parametrize(
    ("days", "right"),
    [
        (("1700-01-01", "2199-12-31"), True),
        (("1699-12-31", "2027-01-01"), False),
        (("2027-01-01", "2200-01-01"), False),
        (("0001-01-01", "0001-01-02"), False),
        (("9999-12-30", "9999-12-31"), False),
    ],
)
def test_days_are_those_that_every_table_and_figure_can_tell(
    days: tuple[str, str], right: bool
) -> None:
    """Fails if a day gets in that a clock of figures or tables does not reach."""
    tree = {"phases.pretraining.calendar": days}
    if right:
        p = resolve(overrides=tree)
        assert [str(pd.Timestamp(d).as_unit("ns").date()) for d in days] == list(days)
        assert p.phases["pretraining"].calendar == days
    else:
        with pytest.raises(InputError, match="its days must be from 1700-01-01 to 2199-12-31"):
            resolve(overrides=tree)
