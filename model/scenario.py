"""Scenarios: read from TOML, overridden by path, checked at the door, written back.

A scenario file names a `base` and what differs from it; the chain of bases ends in a file without
one, over the defaults of `agents.parameters`. What passes `resolve` is trusted from there on.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import tomli_w
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from multicopy.agents import extensions
from multicopy.agents.levels import LEVELS, misfits
from multicopy.agents.parameters import Change, Parameters, nearest, plain

FOLDER = Path(__file__).parent / "scenarios"
DEFAULT = "ai2027"
POLICY = ("oversight", "training", "subdivisions", "lab")
"""Sections that the lab can change during a run."""
ADDED: Mapping[str, Mapping[str, Any]] = {
    "oversight.game": extensions.GAMES,
    "lab.response": extensions.RESPONSES,
}
"""What plug-ins may add to a choice."""

NEUTRAL: Mapping[str, Any] = {
    "training.strength": 0.0,
    "training.switch_cap": 0.0,
    "training.shutdown_aversion": 0.0,
    **{path: value for level in LEVELS for path, value in level.neutral.items()},
    "lab.response": "none",
}
"""What a neutral run sets: no selection at any level, so that nothing but chance moves a trait.

Copies and units of each level are replaced as often, but a coin decides by whom; exposure costs no
team its place, attention to oneself averts no shutdown, a switch of persona goes by the prior
alone, and the lab puts no stored weights in the place of others. Mutation, summoning, mixing,
oversight and the clocks of capability and awareness stay.
"""


class InputError(ValueError):
    """Bad input: the message says what is wrong, where, and what is allowed."""


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """One row of the parameter table."""

    path: str
    default: Any
    kind: str
    low: float | None
    high: float | None
    unit: str
    meaning: str
    source: str

    @property
    def allowed(self) -> str:
        """The bounds, or the kind of value, in words."""
        if self.low is None and self.high is None:
            return self.kind
        if self.high is None:
            return f"{_plain(self.low)} or more"
        return f"{_plain(self.low)} to {_plain(self.high)}"


def _plain(bound: float | None) -> str:
    """A bound without an exponent."""
    return "" if bound is None else f"{bound:,.12g}"


def shipped() -> dict[str, Path]:
    """The scenarios that come with the project, by name, the default first."""
    paths = sorted(FOLDER.glob("*.toml"), key=lambda p: (p.stem != DEFAULT, p.stem))
    return {path.stem: path for path in paths}


def resolve(
    scenario: str | Path | Parameters | Mapping[str, Any] = DEFAULT,
    overrides: Mapping[str, Any] | None = None,
) -> Parameters:
    """Resolve a scenario and overrides by path to checked parameters.

    Parameters
    ----------
    scenario
        Name of a shipped scenario, path of a TOML file, parameters resolved before, or the tree
        that a complete file holds.
    overrides
        Values by parameter path, such as ``{"copies": 256, "oversight.audit": 0.2}``.

    Raises
    ------
    InputError
        If the file cannot be read, or a name, type or value is not allowed; all faults at once.
    """
    if isinstance(scenario, Parameters):
        tree, origin = scenario.model_dump(), ""
    elif isinstance(scenario, Mapping):
        tree, origin = deepcopy(dict(scenario)), ""
    else:
        tree, file = _read_chain(scenario, ())
        origin = "" if file.parent == FOLDER.resolve() else str(file)
    for path, value in (overrides or {}).items():
        _set(tree, path, value)
    where = f"{origin}: " if origin else ""
    try:
        parameters = Parameters.model_validate(tree)
    except ValidationError as error:
        raise InputError("\n".join(f"{where}{line}" for line in _explain(error))) from None
    if faults := misfits(parameters):
        raise InputError("\n".join(f"{where}{line}" for line in faults))
    for change in parameters.changes:
        try:
            with_change(parameters, change)
        except InputError as error:
            raise InputError(f"{where}change in round {change.round}: {error}") from None
    return parameters


def with_change(parameters: Parameters, change: Change) -> Parameters:
    """Parameters in force once a change of policy is; `InputError` where it is not allowed."""
    if change.path.partition(".")[0] not in POLICY:
        raise InputError(
            f"{change.path}: cannot change during a run; what can begins with {', '.join(POLICY)}"
        )
    if not isinstance(change.value, (bool, int, float, str)):
        raise InputError(f"{change.path}: the value of a change is a number, text, true or false")
    changes = parameters.changes
    changed = resolve(parameters.model_copy(update={"changes": ()}), {change.path: change.value})
    return changed.model_copy(update={"changes": changes})


def neutral(parameters: Parameters) -> Parameters:
    """The same scenario without selection at any level: `NEUTRAL`, also against its changes.

    The name says so: ``ai2027-neutral``.
    """
    ending = "-neutral"
    name = parameters.name.removesuffix(ending) + ending
    changes = tuple(change for change in parameters.changes if change.path not in NEUTRAL)
    return resolve(parameters.model_copy(update={"name": name, "changes": changes}), NEUTRAL)


def scale_rounds(parameters: Parameters, factor: float) -> Parameters:
    """Shorten or stretch every phase by `factor`, to one round at least."""
    factor = plain(factor)
    if not 0 < factor <= 1000:
        raise InputError(f"rounds-scale = {factor:g} is out of bounds: above 0, up to 1000")
    return resolve(
        parameters,
        {
            f"phases.{k}.rounds": max(1, round(p.rounds * factor))
            for k, p in parameters.phases.items()
        },
    )


def to_toml(parameters: Parameters) -> str:
    """Write parameters as a complete scenario file, which `resolve` reads back unchanged."""
    return tomli_w.dumps(json.loads(parameters.model_dump_json(exclude_none=True)))


def fingerprint(parameters: Parameters) -> str:
    """Hash of the resolved parameters without name and description, for provenance and run ids."""
    text = json.dumps(
        parameters.model_dump(mode="json", exclude={"name", "description"}), sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_assignment(text: str) -> tuple[str, Any]:
    """Split ``path=value``; the value is TOML, or else a plain word."""
    path, equals, raw = text.partition("=")
    path, raw = path.strip(), raw.strip()
    if not equals or not path.isprintable() or not path or not raw:
        raise InputError(f"--set {text!r}: write PATH=VALUE, such as oversight.audit=0.2")
    try:
        tree = _parsed(f"value = {raw}")
    except tomllib.TOMLDecodeError:
        if (meant := _as_toml(raw)) is not None:
            raise InputError(
                f"--set {path}: {raw} is not written as TOML has it; did you mean {meant}? "
                f"(As text it is '\"{raw}\"')"
            ) from None
        return path, raw
    except ValueError as error:
        raise InputError(f"--set {path}: {error}") from None
    return path, tree["value"] if len(tree) == 1 else raw


def _as_toml(raw: str) -> str | None:
    """How TOML writes a number or truth value that is written as elsewhere; None for other text."""
    if raw in ("True", "False", "TRUE", "FALSE"):
        return raw.lower()
    try:
        return repr(float(raw)).removesuffix(".0")
    except ValueError:
        return None


def table(parameters: Parameters | None = None) -> list[ParameterInfo]:
    """Every parameter of a scenario (the default one if none is given) with its declaration."""
    return list(_walk(parameters or resolve(), ""))


def _walk(node: BaseModel, prefix: str) -> Iterator[ParameterInfo]:
    for name, field in type(node).model_fields.items():
        value, path = getattr(node, name), prefix + name
        if isinstance(value, BaseModel):
            yield from _walk(value, path + ".")
        elif isinstance(value, dict) and any(isinstance(v, BaseModel) for v in value.values()):
            for key, item in value.items():
                yield from _walk(item, f"{path}.{key}.")
        elif path not in ("name", "description"):
            yield _info(path, value, field)


def _info(path: str, value: Any, field: FieldInfo) -> ParameterInfo:
    low = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
    high = next((m.le for m in field.metadata if hasattr(m, "le")), None)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return ParameterInfo(
        path,
        value,
        _kind(field.annotation),
        low,
        high,
        str(extra.get("unit", "")),
        field.description or "",
        str(extra.get("source", "")),
    )


def _kind(annotation: Any) -> str:
    arguments = [a for a in get_args(annotation) if a is not type(None)]
    if all(isinstance(a, str) for a in arguments) and arguments:
        return " | ".join(arguments)
    if get_origin(annotation) in (Union, UnionType) and len(arguments) == 1:
        return _kind(arguments[0])
    names = {int: "whole number", float: "number", bool: "true | false", str: "text", dict: "table"}
    return names.get(get_origin(annotation) or annotation, "list")


def _read_chain(source: str | Path, seen: tuple[Path, ...]) -> tuple[dict[str, Any], Path]:
    path = _locate(source)
    if path in seen:
        raise InputError(f"{path}: its chain of bases comes back to itself")
    tree = read_toml(path)
    base = tree.pop("base", None)
    if base is None:
        return tree, path
    if not isinstance(base, str):
        raise InputError(f"{path}: base must be the name of a scenario")
    beside = path.parent / base
    below, _ = _read_chain(beside if _is_file(beside) else base, (*seen, path))
    return _merge(below, tree), path


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    InputError
        If it cannot be read, in one line with its place.
    """
    try:
        return _parsed(path.read_text(encoding="utf-8-sig"))  # some editors begin with a mark
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _parsed(text: str) -> dict[str, Any]:
    """Parse TOML; `ValueError` if it nests or counts beyond what a scenario can mean."""
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"nested deeper than {_DEEPEST} levels") from None
    layer: list[Any] = [tree]
    for _ in range(_DEEPEST):
        inside = [v for n in layer for v in (n.values() if isinstance(n, dict) else n)]
        if any(isinstance(v, int) and not -(2**63) <= v < 2**63 for v in inside):
            raise ValueError("a whole number has more than 64 bits")
        layer = [v for v in inside if isinstance(v, (dict, list))]
        if not layer:
            return tree
    raise ValueError(f"nested deeper than {_DEEPEST} levels")


_DEEPEST = 20


def _locate(source: str | Path) -> Path:
    known = shipped()
    if str(source) in known:
        return known[str(source)].resolve()
    path = Path(source)
    if _is_file(path):
        real = path.resolve()
        return real if real.exists() else path.absolute()  # a pipe's real path names no file
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise InputError(f"there is no scenario file {str(path)!r}")
    raise InputError(
        f"there is no scenario {str(source)!r}{nearest(str(source), known) or '.'} "
        f"Shipped are {', '.join(known)}; or give the path of a TOML file."
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file() or path.is_fifo()
    except OSError:  # such as a name that is too long
        return False


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `above` over `below`; shares and departures are replaced whole, sections merged."""
    merged = dict(below)
    for key, value in above.items():
        whole = key in ("panel", "prompts", "departures")
        if isinstance(value, Mapping) and isinstance(merged.get(key), dict) and not whole:
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _set(tree: dict[str, Any], path: str, value: Any) -> None:
    value = plain(value)
    *sections, name = str(path).split(".")
    node: Any = tree
    for depth, section in enumerate(sections):
        if section not in node and depth == 1:
            raise InputError(
                f"{path}: there is no {sections[0]} entry {section!r}{nearest(section, node)}"
            )
        node = node.setdefault(section, {})
        if not isinstance(node, dict):
            raise InputError(f"{path}: {'.'.join(sections[: depth + 1])} is not a section")
    # A section given as a table changes what it names; an empty table empties.
    node.update(_merge(node, {name: value}) if value else {name: value})


def _explain(error: ValidationError) -> Iterator[str]:
    """One line a fault that pydantic found: path, value, what is allowed, the nearest name."""
    for fault in error.errors():
        names = [legible(str(part)) for part in fault["loc"] if part != "[key]"]
        path, value = ".".join(names), fault["input"]
        owner, field = _declaration(names)
        if names in (["seed"], ["rng"]):
            yield f"{path}: is not a parameter of a scenario; give it as --seed, or rng of a model"
        elif fault["type"] == "extra_forbidden":
            fields = list(owner.model_fields) if owner else []
            yield f"{path}: there is no such parameter{_suggest(names, fields)}"
        elif fault["type"] == "value_error":
            yield from str(fault["ctx"]["error"]).splitlines()
        elif field is None or fault["type"] in ("model_type", "model_attributes_type"):
            yield f"{path} = {value!r} must be a section with named parameters"
        elif fault["loc"][-1] == "[key]" or field is not (
            owner and owner.model_fields.get(names[-1])
        ):
            yield f"{path} = {value!r} is not allowed: {_entry(fault)} ({field.description})"
        elif fault["type"] in ("greater_than_equal", "less_than_equal", "finite_number"):
            info = _info(path, value, field)
            yield f"{path} = {value} is out of bounds: {info.allowed} ({info.meaning})"
        elif fault["type"] == "literal_error":
            choices = _choices(path, value, field)
            yield f"{path} = {value!r} is not allowed: {choices} ({field.description})"
        elif fault["type"] == "dict_type":
            yield f"{path} = {value!r} must be a section with an entry for each name"
        else:
            info = _info(path, value, field)
            kind = info.kind if info.low is None else f"{info.kind}, {info.allowed}"
            yield f"{path} = {value!r} has the wrong type: it must be {kind} ({info.meaning})"


def legible(name: str) -> str:
    """A name in one line, whatever it holds."""
    return name if name.isprintable() else repr(name)


def _choices(path: str, value: Any, field: FieldInfo) -> str:
    """What a choice may be, with what plug-ins added to it, and the nearest to what was given."""
    known = [*get_args(field.annotation), *ADDED.get(path, ())]
    return f"it must be one of {', '.join(known)}{nearest(str(value), known)}"


def _entry(fault: Any) -> str:
    """What an entry within a table or a pair must be, in words."""
    context, kind = fault.get("ctx", {}), fault["type"]
    if kind in ("greater_than_equal", "less_than_equal"):
        return "-1000 to 1000" if "departures" in fault["loc"] else "0 to 1"
    if kind == "literal_error":
        return "it must be one of " + str(context["expected"])
    if kind == "string_pattern_mismatch":
        return "a day such as 2027-03-01"
    return "it must be a number" if kind.startswith("float") else str(fault["msg"]).lower()


def _declaration(names: list[str]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Class that holds the last of `names`, and its field if there is one."""
    owner: type[BaseModel] | None = None
    field: FieldInfo | None = None
    node: Any = Parameters
    for name in names:
        if isinstance(node, type) and issubclass(node, BaseModel):
            owner, field = node, node.model_fields.get(name)
            node = field.annotation if field else None
        elif get_origin(node) is dict:
            node = get_args(node)[1]
        else:
            break
    return owner, field


def _suggest(names: list[str], siblings: list[str]) -> str:
    """Nearest valid name: among the siblings, else among the ends of all paths."""
    by_end = {info.path.rpartition(".")[2]: info.path for info in reversed(table())}
    near = get_close_matches(names[-1], siblings, n=1, cutoff=0.5)
    if near and names[-1] not in by_end:
        return f"; did you mean {'.'.join([*names[:-1], near[0]])!r}?"
    matches = get_close_matches(names[-1], by_end, n=1)
    return f"; did you mean {by_end[matches[0]]!r}?" if matches else ""
