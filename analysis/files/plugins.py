"""Plug-ins: files or installed packages of users that add to the model; see docs/extending.md."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from multicopy.agents.extensions import REGISTRIES, where
from multicopy.agents.lab import RESPONSES
from multicopy.agents.overseers import GAMES, OVERSEER_KINDS
from multicopy.agents.parameters import nearest
from multicopy.agents.traits import NAMES
from multicopy.analysis.files.places import require_name
from multicopy.model.measures import OWN
from multicopy.model.rows import LABELS
from multicopy.model.scenario import InputError

GROUP: Final = "multicopy"
"""Group of the entry points under which an installed package offers a plug-in."""

SHIPPED: Final[Mapping[str, Mapping[str, Any]]] = {
    **{kind: {} for kind in REGISTRIES},
    "measure": OWN,
}
"""What is in the registries without plug-ins."""

_loaded: dict[str, str] = {}


def load(names: Sequence[str]) -> None:
    """Load plug-ins: paths of Python files, or names of entry points; each once.

    Raises
    ------
    InputError
        If there is no such plug-in, it fails, or it adds a name that is taken.
    """
    for name in names:
        key = str(Path(name).resolve()) if name.endswith(".py") else name
        require_name(key)
        if key not in _loaded:
            before = {kind: dict(registry) for kind, registry in REGISTRIES.items()}
            drawn = _figures()
            try:
                _loaded[key] = _load(name)
                _check(name, before, _figures() - drawn)
            except InputError:
                _loaded.pop(key, None)
                _restore(before)
                raise


def loaded() -> dict[str, str]:
    """Plug-ins that are loaded, with a hash of each file or the version of its package."""
    return dict(_loaded)


def forget() -> None:
    """Take away all that plug-ins added, as if none had been loaded."""
    _restore(SHIPPED)
    _loaded.clear()
    if registry := _figures_registry():
        registry.keep_own()


def _restore(registries: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the registries what they were."""
    for kind, registry in REGISTRIES.items():
        registry.clear()
        registry.update(registries[kind])


def _load(name: str) -> str:
    """Load one plug-in; what tells its version."""
    try:
        if name.endswith(".py"):
            return _load_file(name)
        offered = {point.name: point for point in entry_points(group=GROUP)}
        if name not in offered:
            raise InputError(
                f"--plugin {name}: neither a Python file nor installed{nearest(name, offered)}"
            )
        offered[name].load()
        package = offered[name].dist
        return package.version if package else "unknown"
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also `sys.exit`, which would end the command without a word
        raise InputError(f"--plugin {name}: {where(error)}") from None


def _load_file(name: str) -> str:
    """Run a file as Python imports a module: it can be looked up by its name, and import others.

    What lies beside it comes last in the search, so that it hides nothing.
    """
    path = Path(name).resolve()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(f"--plugin {name}: cannot be read: {error.strerror or error}") from None
    place = hashlib.sha256(str(path.parent).encode()).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(f"plugin_{place}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return hashlib.sha256(source).hexdigest()[:16]


def _figures_registry() -> Any:
    """Where figures are declared, if anything has loaded it: who declares one does."""
    return sys.modules.get("multicopy.analysis.figures.registry")


def _figures() -> int:
    """How many figures plug-ins have declared."""
    registry = _figures_registry()
    return sum(not registry.is_own(one.draw) for one in registry.panels()) if registry else 0


def _check(name: str, before: Mapping[str, Mapping[str, Any]], figures: int) -> None:
    """Refuse names that the project uses itself, and a plug-in that adds nothing."""
    taken: dict[str, set[str]] = {
        "measure": {*LABELS, *NAMES},
        "lab_response": {*RESPONSES},
        "overseer": {*OVERSEER_KINDS},
        "game": {*GAMES},
    }
    added = [
        (kind, one) for kind, of in REGISTRIES.items() for one in of if one not in before[kind]
    ]
    if not added and not figures:
        raise InputError(f"--plugin {name}: adds nothing; docs/extending.md says what it can add")
    for kind, one in added:
        if one in taken[kind]:
            raise InputError(f"--plugin {name}: {kind} {one!r} is one of the project's own")
