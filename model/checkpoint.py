"""The whole state of a run as plain values, arrays and tables, and a model that goes on from it.

Values are what JSON can hold. What they mean is said by the kinds that each part of the model
declares, never by the file, so nothing that is read can name a class or a function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, Final, Protocol, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from multicopy.agents.machine.state import StateFault, Stateful
from multicopy.agents.parameters import Parameters
from multicopy.agents.population import HERITABLE
from multicopy.agents.traits import TRAIT_COUNT
from multicopy.model.collective import CollectiveModel
from multicopy.model.genealogy import Genealogy
from multicopy.model.ledger import PROCESSES
from multicopy.model.outcomes import PASSAGES
from multicopy.model.phases import Schedule
from multicopy.model.scenario import resolve
from multicopy.model.successor import SuccessorProject
from multicopy.model.table import Table

Arrays = dict[str, NDArray[Any]]


class Source(Protocol):
    """Where arrays and the rows of tables are read from, by the place that they have in a model."""

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Arrays."""
        ...

    def blocks(self, place: str, dtype: str, width: int, rows: int) -> Iterator[NDArray[Any]]:
        """The rows of a table, some at a time."""
        ...


# --- keeping --------------------------------------------------------------------------------------


def kept(model: CollectiveModel) -> tuple[dict[str, Any], Arrays, dict[str, Table]]:
    """State of a model between two rounds: plain values, and arrays and tables by their places.

    Raises
    ------
    StateFault
        If a part of it has an attribute that it does not declare.
    """
    arrays: Arrays = {}
    tables: dict[str, Table] = {}
    state = {name: getattr(model, name) for name in model.STATE}
    tree = {name: _plain(value, name, arrays, tables) for name, value in state.items()}
    made = {"seed": model.seed, "detail": model.records.detail}
    return {**made, "declared": _plain(model.declared, "", {}, {}), **tree}, arrays, tables


def _plain(value: Any, place: str, arrays: Arrays, tables: dict[str, Table]) -> Any:
    """A value as JSON holds it; arrays and rows of tables are put aside."""

    def inside(name: str, part: Any) -> Any:
        return _plain(part, f"{place}.{name}", arrays, tables)

    if isinstance(value, np.ndarray):
        arrays[place] = value
        return None
    if isinstance(value, Table):
        tables[place] = value
        names, dtype = list(value.columns), value.dtype.str
        texts = {name: list(told) for name, told in value.texts.items()}
        return {"columns": names, "dtype": dtype, "texts": texts, "rows": len(value)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Stateful):
        return {name: inside(name, part) for name, part in value.state().items()}
    if is_dataclass(value):
        return {
            field.name: inside(field.name, getattr(value, field.name)) for field in fields(value)
        }
    if isinstance(value, Mapping):
        return {name: inside(name, part) for name, part in value.items()}
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [inside(str(i), part) for i, part in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


# --- going on -------------------------------------------------------------------------------------


def resumed(tree: Mapping[str, Any], source: Source) -> CollectiveModel:
    """A model in the state that was kept.

    Raises
    ------
    StateFault, InputError
        If the values are none of a model, or do not fit together.
    """
    kinds = {**_HEAD, **CollectiveModel.STATE}
    state = _parts(kinds, tree, "", source)
    head = {name: state.pop(name) for name in _HEAD}
    model = CollectiveModel(head["declared"], rng=head["seed"], detail=head["detail"])
    if state["genealogy"] is not None:
        model.genealogy = Genealogy()
    if state["project"] is not None:
        model.project = SuccessorProject(np.zeros(TRAIT_COUNT))
    model.restore(state)
    model.schedule = Schedule(model.parameters.phases)
    if fault := _fault(model):
        raise StateFault(fault)
    return model


_LARGEST: Final = 10**300
"""What a number must be below, so that it can be computed with; a seed may be large."""

_HEAD: Final = {"seed": int, "detail": bool, "declared": Parameters}
"""What a model is made with."""


def _parts(kinds: Mapping[str, Any], tree: Any, place: str, source: Source) -> dict[str, Any]:
    """Values of declared names, of the kinds that are declared, and no others."""
    if type(tree) is not dict or tree.keys() != kinds.keys():
        raise StateFault(f"{place or 'the state'} has other entries than it should have")
    return {
        name: _value(kind, tree[name], f"{place}.{name}" if place else name, source)
        for name, kind in kinds.items()
    }


def _value(kind: Any, tree: Any, place: str, source: Source) -> Any:
    """A value of a kind; `StateFault` if it is of another."""
    if NoneType in get_args(kind):
        rest = next(k for k in get_args(kind) if k is not NoneType)
        return None if _is_missing(rest, tree, place, source) else _value(rest, tree, place, source)
    whole = get_origin(kind) or kind
    if whole is np.ndarray:
        if place not in source.arrays:
            raise StateFault(f"{place} is missing")
        return source.arrays[place]
    if whole is Table:
        return _table(tree, place, source)
    if whole is Parameters:
        return _parameters(tree, place)
    if issubclass(whole, Stateful):
        return _parts(whole.STATE, tree, place, source)
    if is_dataclass(whole):
        make: Any = whole
        return make(**_parts(get_type_hints(whole), tree, place, source))
    if whole in (list, tuple, set, dict):
        return _collection(kind, whole, tree, place, source)
    fits = type(tree) is whole or (whole is float and type(tree) is int)
    if fits and (whole is str or abs(tree) < _LARGEST):
        return tree
    raise StateFault(f"{place} is not of type {whole.__name__}")


def _is_missing(kind: Any, tree: Any, place: str, source: Source) -> bool:
    return tree is None and place not in source.arrays


def _collection(kind: Any, whole: Any, tree: Any, place: str, source: Source) -> Any:
    inner = get_args(kind)
    if type(tree) is not (dict if whole is dict else list):
        raise StateFault(f"{place} is not of type {whole.__name__}")
    if whole is dict:
        return _parts(dict.fromkeys(tree, inner[1]), tree, place, source)
    kinds = inner if whole is tuple else inner * len(tree)
    if len(kinds) != len(tree):
        raise StateFault(f"{place} has {len(tree)} entries, not {len(kinds)}")
    places = (f"{place}.{i}" for i in range(len(tree)))
    return whole(
        _value(k, v, where, source) for k, v, where in zip(kinds, tree, places, strict=True)
    )


def _table(tree: Any, place: str, source: Source) -> dict[str, Any]:
    kinds = {"columns": list[str], "dtype": str, "texts": dict[str, list[str]], "rows": int}
    told = _parts(kinds, tree, place, source)
    told["blocks"] = source.blocks(place, told["dtype"], len(told["columns"]), told["rows"])
    return told


def _parameters(tree: Any, place: str) -> Parameters:
    try:
        return resolve(Parameters.model_validate(tree))
    except ValidationError:
        raise StateFault(f"{place} are not the parameters of a scenario") from None


def _fault(model: CollectiveModel) -> str:
    """What does not fit together in a model that goes on; nothing if all is well.

    Compiled loops trust places in columns, so those are looked at before any loop runs.
    """
    p, copies = model.parameters, len(model.population)
    held = model.population.snapshot(np.arange(1))
    kinds = {column.name: (copies, *held[column.name].shape[1:]) for column in HERITABLE}
    stored = kinds if model.stored is None else {n: a.shape for n, a in model.stored.items()}
    lineages = [model.population.lineage, *([model.stored["lineage"]] if model.stored else [])]
    if p.copies != copies or p.phases.keys() != model.declared.phases.keys():
        return "the parameters are of another scenario"
    if stored != kinds or any(held[n].dtype != a.dtype for n, a in (model.stored or {}).items()):
        return "the stored weights are of another collective"
    if not all(_within(lineage, 0, copies) for lineage in lineages):
        return "a lineage begins with an unknown copy"
    if not _within(model.panels.player, -1, copies):
        return "an overseer is played by an unknown copy"
    if not all(0 <= row < copies for row in model.population._touched):
        return "traits of an unknown copy were set"
    if not 0 <= model.round == len(model.records.rows) <= model.schedule.total:
        return f"round {model.round} is not one of {model.schedule.total}"
    relative = {passage.measure for passage in PASSAGES if passage.relative}
    if model.records._formed is not None and model.records._formed.keys() != relative:
        return "the identity was formed with other measures"
    if model.design is not None and model.design.latent.shape != (TRAIT_COUNT,):
        return "the successor has other traits"
    entries, texts = model.ledger.in_round, model.ledger._table.texts
    if {*entries, *texts["process"]} - PROCESSES.keys() or any(
        m.shape != (TRAIT_COUNT,) for m in entries.values()
    ):
        return "the ledger has an entry of an unknown process"
    if entries and not 0 <= model.ledger._phase < len(texts["phase"]):
        return "the ledger has an entry of an unknown phase"
    return ""


def _within(places: NDArray[Any], low: int, end: int) -> bool:
    return bool(((places >= low) & (places < end)).all())
