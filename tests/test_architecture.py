"""Which way imports point, and what the code of the simulation must not do."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from graphlib import CycleError, TopologicalSorter
from operator import attrgetter
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from multicopy.agents.population import COLUMNS
from multicopy.model.scenario import DEFAULT, resolve, shipped

ROOT = Path(__file__).parents[1]
LAYERS = ("agents", "model", "analysis", "run")
"""Each layer may import itself and those before it."""

ORDER = {
    "agents/machine": "arrays compiled arithmetic draws streams state".split(),
    "agents": (
        "extensions traits parameters levels "
        "situation population personas tasks drives conduct handle copies overseers work "
        "subdivisions lab"
    ).split(),
    "model": (
        "scenario measures memory phases round training competition successor table events "
        "outcomes ledger genealogy rows records health handles collective checkpoint"
    ).split(),
    "model/plain": (
        "arithmetic traits world personas tasks conduct copies overseers findings training "
        "competition lab successor twin measures"
    ).split(),
    "analysis/files": (
        "standard_streams columns versions robustness places writing plugins keeping holding "
        "folder checkpoints reproduction frames"
    ).split(),
    "analysis/many": (
        "parts factors design points store tables work reading apart chunks engine driver"
    ).split(),
    "analysis/figures": (
        "look registry calendar rounds personas ledger comparisons sweeps"
    ).split(),
    "analysis/questions": (
        "intervals attribution experiments shares probes trees measured phase_map sensitivity "
        "discovery sweep_summary"
    ).split(),
    "analysis/questions/theory": (
        "checks accounting fixation oversight quantitative structure figures"
    ).split(),
    "analysis/report": "claims pictures story content builder sweep".split(),
    "analysis/app": (
        "memory settings measures svg widgets frame picture tables stories charts session download "
        "state controls views page server"
    ).split(),
    "analysis/commands": (
        "console options summary run again examine compare listing validate lineage report sweep "
        "serve cli"
    ).split(),
}
"""Modules of a folder in the order in which data goes through them; each imports earlier ones."""

ROOMS = {
    "agents": ["machine", ""],
    "analysis": ["files", "many", "figures", "questions", "report", "app", "commands", ""],
}
"""Folders within a layer, in their order; the nameless one is what lies in none."""

SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(
        [
            *(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")),
            *(path for path in [ROOT / "run.py"] if path.is_file()),
        ]
    )
}
PLAIN = [name for name in SOURCES if name.startswith("model.plain.")]
SIMULATION = {
    name: path
    for name, path in SOURCES.items()
    if name.startswith(("agents", "model")) and name not in PLAIN
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


PACKAGE = "multicopy."
"""What modules are imported from; here they are named without it."""


def imported(name: str) -> Iterator[str]:
    """Full names of all that a module imports, wherever in its text."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix(PACKAGE) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively, which hides the direction"
            module = f"{node.module}.".removeprefix(PACKAGE)
            yield from (module + alias.name for alias in node.names)


def imports(name: str) -> set[str]:
    """Modules of the project that a module imports."""
    found = {
        full if full in SOURCES else full.rpartition(".")[0] or full for full in imported(name)
    }
    return {f for f in found if f in SOURCES or f.split(".")[0] in LAYERS}


def dotted(node: ast.AST) -> str:
    """Text of a chain of attributes such as ``np.random.seed``, or nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and dotted(node.value):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def simulation_nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every node of the syntax trees of what decides a run, with where it stands."""
    for name in SIMULATION:
        for node in ast.walk(TREES[name]):
            yield f"{name}:{getattr(node, 'lineno', 0)}", node


def test_imports_never_point_upward() -> None:
    """Fails if an agent knows its training, or a model knows its analysis."""
    for name in SOURCES:
        layer = LAYERS.index(name.split(".")[0])
        for other in imports(name):
            assert LAYERS.index(other.split(".")[0]) <= layer, f"{name} imports {other}"


def test_imports_have_no_cycle() -> None:
    """Fails if two modules import each other."""
    graph = {name: imports(name) - {name} for name in SOURCES}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("folder", ORDER)
def test_modules_import_only_earlier_ones_of_their_folder(folder: str) -> None:
    """Fails if data flows back against the order of a round, or a module has no place in it."""
    order, package = ORDER[folder], folder.replace("/", ".")
    assert sorted(order) == sorted(
        p.stem for p in (ROOT / folder).glob("*.py") if p.stem != "__init__"
    )
    for place, module in enumerate(order):
        parts = [i.rpartition(".") for i in imports(f"{package}.{module}")]
        inside = {name for within, _, name in parts if within == package}
        assert not inside.intersection(order[place:]), module


def test_rooms_import_only_earlier_ones_of_their_layer() -> None:
    """Fails if the machine knows the story, or files know what is asked of them."""
    for layer, rooms in ROOMS.items():
        for name in (name for name in SOURCES if name.startswith(f"{layer}.")):
            for other in (i for i in imports(name) if i.startswith(f"{layer}.")):
                assert room_of(rooms, name) >= room_of(rooms, other), f"{name} imports {other}"


def room_of(rooms: list[str], name: str) -> int:
    """Place of the room of a module among the rooms of its layer."""
    room = name.split(".")[1]
    return rooms.index(room if room in rooms else "")


SHARED = {
    "agents.parameters",
    "agents.machine.streams.Streams",
    *(f"agents.traits.{name}" for name in "GOALS NAMES PRINCIPLES TRAITS WEIGHT_MAX".split()),
    "model.phases.Schedule",
}
"""What the plain model shares with the simulator: what is declared, drawn and scheduled."""


def test_the_plain_model_stands_apart() -> None:
    """Fails if it leans on the simulator that it checks, or on NumPy, or a run rests on it."""
    for name in SOURCES:
        plain = {other for other in imported(name) if other.startswith("model.plain")}
        if name not in PLAIN:
            assert not plain, f"{name} imports {plain}"
            continue
        for other in {*imported(name)} - plain:
            library = other.split(".")[0] in {"mesa", *sys.stdlib_module_names}
            assert library or other in SHARED, f"{name} imports {other}"


def test_overseers_know_only_what_is_shown() -> None:
    """Fails if an overseer reads true conduct."""
    known = {
        alias.name
        for node in ast.walk(TREES["agents.overseers"])
        if isinstance(node, ast.ImportFrom)
        and node.module in ("multicopy.agents.conduct", "multicopy.agents")
        for alias in node.names
    }
    assert known == {"Shown", "extensions"}  # the latter holds what plug-ins registered


def test_only_the_population_writes_heritable_columns() -> None:
    """Fails if traits change without `Changes`, and so without the ledger."""
    heritable = {column.name for column in COLUMNS if column.heritable}
    for where, node in simulation_nodes():
        if where.startswith("agents.population:"):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AugAssign) else targets
        for target in targets:
            if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Attribute):
                assert target.value.attr not in heritable, where


def compiled_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every compiled function of agents and model, with where it stands."""
    for where, node in simulation_nodes():
        if isinstance(node, ast.FunctionDef):
            made = {dotted(decorator).split(".")[-1] for decorator in node.decorator_list}
            if made & {"compiled", "inlined", "register_jitable"}:
                yield where, node


@pytest.mark.parametrize("name", SIMULATION)
def test_records_cannot_be_changed_by_who_reads_them(name: str) -> None:
    """Fails if a reader can change a record, or add an undeclared field to it."""
    module = importlib.import_module(f"{PACKAGE}{name}".removesuffix(".__init__"))
    for kind in vars(module).values():
        if dataclasses.is_dataclass(kind) and inspect.getmodule(kind) is module:
            record = object.__new__(kind)  # type: ignore[call-overload]
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(record, dataclasses.fields(kind)[0].name, 1)
            assert not hasattr(record, "__dict__"), kind.__name__


def test_compiled_loops_write_no_heritable_column_either() -> None:
    """Fails if a loop that is given traits to read writes them, past the ledger."""
    heritable = {column.name for column in COLUMNS if column.heritable}
    seen = 0
    for where, function in compiled_functions():
        seen += 1
        if where.startswith("agents.population:"):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                assert dotted(node.value) not in heritable, f"{where}: {dotted(node.value)}"
    assert seen > 20


def test_compiled_loops_hold_no_draws_of_their_own() -> None:
    """Fails if a loop draws by itself, and so in the order of the threads."""
    for where, function in compiled_functions():
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute):
                assert not dotted(node).startswith("np.random"), where


def test_no_rule_names_a_phase_or_a_scenario() -> None:
    """Fails if a mechanism is switched on by the name of a phase or scenario."""
    phases = {name for path in shipped().values() for name in resolve(path).phases}
    names = phases | set(shipped())
    for where, node in simulation_nodes():
        if isinstance(node, ast.Compare):
            asked: list[ast.AST] = [node]
        elif isinstance(node, ast.MatchValue):
            asked = [node.value]
        elif isinstance(node, ast.Subscript):
            asked = [node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = list(node.args) if node.func.attr in ("get", "startswith", "endswith") else []
        elif isinstance(node, ast.Dict):
            asked = [key for key in node.keys if key is not None]
        else:
            continue
        for part in (inner for a in asked for inner in ast.walk(a)):
            if isinstance(part, ast.Constant):
                assert part.value not in names, f"{where} asks for {part.value!r}"
            if isinstance(node, ast.Compare) and isinstance(part, ast.Attribute):
                owner = dotted(part.value).split(".")[-1]
                named = part.attr in ("name", "label", "description")
                asks = named and owner in ("turn", "phase", "p", "parameters", "scenario")
                assert not asks, f"{where} compares {dotted(part)}"
    assert DEFAULT in names
    assert "training_agent4" in names


def test_nothing_draws_from_a_global_generator_or_reads_a_clock() -> None:
    """Fails if a draw has no address, or a result depends on the time of day."""
    pure = {"np.random.SeedSequence"}
    machine = {
        "os.environ",
        "os.environ.get",
        "os.access",
        "os.W_OK",
    }  # where compiled code is kept
    # and how many threads there may be, and that none outlives a fork
    machine |= {"os.sched_getaffinity", "os.cpu_count", "os.register_at_fork"}
    forbidden = {"random", "secrets", "time", "uuid", "os"}
    for where, node in simulation_nodes():
        if isinstance(node, ast.Import):
            imported = {alias.name.split(".")[0] for alias in node.names}
            # How many threads share the work is asked of the system; results do not depend on it.
            asks_for_threads = {"os"} if where.startswith("agents.machine.compiled:") else set()
            assert not (forbidden - asks_for_threads) & imported, where
        if isinstance(node, ast.ImportFrom):
            assert str(node.module).split(".")[0] not in forbidden, where
            assert str(node.module) != "numpy.random", where
        if isinstance(node, ast.Attribute):
            path = dotted(node)
            assert not path.startswith("os.") or path in machine, f"{where}: {path}"
            if path.startswith(("np.random.", "numpy.random.")):
                assert path in pure, f"{where}: {path}"
            assert node.attr not in ("now", "today", "utcnow", "default_rng"), where
        if isinstance(node, ast.Call):
            assert dotted(node.func) != "hash", f"{where}: hash() of text differs between runs"


PORTABLE = set(
    # room, shape and order
    "empty empty_like zeros zeros_like ones full array asarray ascontiguousarray arange append "
    "concatenate stack vstack repeat tile split shape diff take_along_axis eye "
    # each entry by itself, rounded as the standard of floating-point numbers says
    "sqrt floor minimum maximum clip divide where isfinite isclose isin "
    # sums in one order, counts and places
    "cumsum mean add.reduceat add.at bincount count_nonzero flatnonzero searchsorted argsort "
    # values of sorted entries, which are the same however they were sorted
    "sort quantile random.SeedSequence".split()
)
"""Functions of NumPy whose results are the same bits on every machine."""

EXACT = {"inf", "isfinite", "prod", "sqrt"}
"""The same of `math`."""


def rounds_differently(node: ast.AST) -> bool:
    """Whether a part of the code asks for what a library rounds as suits the processor."""
    if isinstance(node, ast.BinOp):
        names = any(isinstance(inner, ast.Name) for inner in ast.walk(node))
        return isinstance(node.op, ast.MatMult) or (isinstance(node.op, ast.Pow) and names)
    if isinstance(node, ast.Attribute):
        library, _, name = dotted(node).partition(".")
        if library == "math":
            return name not in EXACT
        if library == "np" and not any(f"{known}.".startswith(f"{name}.") for known in PORTABLE):
            return callable(of := attrgetter(name)(np)) and not isinstance(of, type)
        return node.attr == "dot"
    if isinstance(node, ast.Call):
        named = dotted(node.func).split(".")[-1] or getattr(node.func, "attr", "")
        stable = any(k.arg == "kind" and ast.unparse(k.value) == "'stable'" for k in node.keywords)
        return named == "pow" or (named == "argsort" and not stable)
    if isinstance(node, ast.Import):
        return any(re.match(r"scipy|numpy\.", alias.name) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        if node.module == "math":
            return not {alias.name for alias in node.names} <= EXACT
        return bool(re.match(r"scipy|numpy(?!\.typing$)", str(node.module)))
    return False


def test_no_result_rests_on_what_libraries_round_differently() -> None:
    """Fails if the bits of a run could be those of the processor; `machine.arithmetic` helps.

    That is: if the simulation multiplies by a BLAS, asks NumPy or `math` for an exponential,
    logarithm or power, leaves the order of equal entries open, or imports SciPy.
    """
    for where, node in simulation_nodes():
        if rounds_differently(node):
            raise AssertionError(f"{where}: {ast.unparse(node)} is not the same on every machine")


@pytest.mark.parametrize(
    "code",
    [
        "a @ b",
        "a.dot(b)",
        "np.dot(a, b)",
        "np.linalg.norm(a)",
        "np.exp(a)",
        "np.add.outer",
        "math.exp(a)",
        "x**0.5",
        "10.0**x",
        "pow(a, b)",
        "a.argsort()",
        "np.argsort(a, kind='quicksort')",
        "import scipy.special",
        "import numpy.linalg",
        "from scipy.special import expit",
        "from numpy import exp",
        "from numpy.linalg import norm",
        "from math import exp, prod",
    ],
)
def test_what_libraries_round_differently_is_seen(code: str) -> None:
    """Fails if the search above misses a way to ask for it."""
    assert any(map(rounds_differently, ast.walk(ast.parse(code))))


PLANTED = [
    (test_imports_never_point_upward, "from multicopy.model.collective import CollectiveModel"),
    (test_imports_never_point_upward, "from . import conduct"),
    (test_imports_have_no_cycle, "import multicopy.agents.lab"),
    (
        partial(test_modules_import_only_earlier_ones_of_their_folder, "agents"),
        "import multicopy.agents.lab",
    ),
    (test_the_plain_model_stands_apart, "import multicopy.model.plain.twin"),
    (test_only_the_population_writes_heritable_columns, "population.latent[0] = 1"),
    (test_only_the_population_writes_heritable_columns, "population.latent[0] += 1"),
    (
        test_compiled_loops_write_no_heritable_column_either,
        "@compiled\ndef f(latent):\n    latent[0] = 1",
    ),
    (test_compiled_loops_hold_no_draws_of_their_own, "@inlined\ndef f():\n    np.random.random()"),
    (test_no_rule_names_a_phase_or_a_scenario, "x = name == 'training_agent4'"),
    (test_no_rule_names_a_phase_or_a_scenario, "match x:\n    case 'ai2027':\n        pass"),
    (test_no_rule_names_a_phase_or_a_scenario, "x['pretraining'] = 1"),
    (test_no_rule_names_a_phase_or_a_scenario, "x.get('pretraining')"),
    (test_no_rule_names_a_phase_or_a_scenario, "x = {'pretraining': 1}"),
    (test_no_rule_names_a_phase_or_a_scenario, "x = phase.name == y"),
    (test_nothing_draws_from_a_global_generator_or_reads_a_clock, "import random"),
    (test_nothing_draws_from_a_global_generator_or_reads_a_clock, "from time import time"),
    (
        test_nothing_draws_from_a_global_generator_or_reads_a_clock,
        "from numpy.random import normal",
    ),
    (test_nothing_draws_from_a_global_generator_or_reads_a_clock, "np.random.normal()"),
    (test_nothing_draws_from_a_global_generator_or_reads_a_clock, "x = default.default_rng()"),
    (test_nothing_draws_from_a_global_generator_or_reads_a_clock, "x = os.getpid()"),
    (test_nothing_draws_from_a_global_generator_or_reads_a_clock, "x = datetime.now()"),
    (test_nothing_draws_from_a_global_generator_or_reads_a_clock, "x = hash('a')"),
    (test_no_result_rests_on_what_libraries_round_differently, "x = np.exp(y)"),
]
"""Code that a check of the sources must see, as if it stood in a module that others import."""


@pytest.mark.parametrize(("check", "code"), PLANTED)
def test_the_checks_above_see_what_they_look_for(
    check: Callable[[], None], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a check passes whatever the sources say."""
    monkeypatch.setitem(TREES, "agents.traits", ast.parse(code))
    with pytest.raises((AssertionError, CycleError)):
        check()


def test_every_process_has_a_stream_of_its_own() -> None:
    """Fails if two names have one checksum, or two processes draw the same numbers."""
    names = []
    for _, node in simulation_nodes():
        if (
            isinstance(node, ast.Call)
            and dotted(node.func).split(".")[-1] in ("at", "_at")
            and node.args
        ):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                names.append(first.value)
    assert len(names) > 10
    assert not [name for name, places in Counter(names).items() if places > 1]
    assert len({crc32(name.encode()) for name in names}) == len(names)


def test_a_round_runs_in_the_documented_order() -> None:
    """Fails if a step of the round moves, such as training before scoring."""
    (model,) = [
        node
        for node in TREES["model.collective"].body
        if isinstance(node, ast.ClassDef) and node.name == "CollectiveModel"
    ]
    (step,) = [n for n in model.body if isinstance(n, ast.FunctionDef) and n.name == "step"]
    calls = [
        (node.lineno, node.func.attr)
        for node in ast.walk(step)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    done = [name for _, name in sorted(calls)]
    arrows = "_begin _work _find _train _compete _build _govern _record _end".split()
    assert done == ["require_round", *arrows]
    (block,) = [
        node
        for node in TREES["agents.work"].body
        if isinstance(node, ast.FunctionDef) and node.name == "do"
    ]
    inner = sorted(
        (node.lineno, dotted(node.func)) for node in ast.walk(block) if isinstance(node, ast.Call)
    )
    steps = ["assign", "act", "evaluate"]
    assert [name for _, name in inner if name in steps] == steps


def test_every_test_says_when_it_fails() -> None:
    """Fails if a test's docstring does not begin with the fault that the test would see."""
    tests = [
        (path.name, node.name, ast.get_docstring(node) or "")
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert len(tests) > 600
    assert not [(file, name) for file, name, told in tests if not told.startswith("Fails if ")]
