"""The commands `resume` and `reproduce`: a run goes on from its checkpoint, or is made again."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multicopy.analysis.commands.console import CHECK_FAILED, DONE, progress_bar, say
from multicopy.analysis.commands.options import load_plugins, plugin_option
from multicopy.analysis.commands.run import (
    Played,
    Stop,
    draw_missing,
    listening,
    now,
    output_options,
    play,
    until_stopped,
)


def setup_resume(p: argparse.ArgumentParser) -> None:
    """Options of `resume`."""
    p.add_argument("run", type=Path, metavar="RUN_DIR")
    plugin_option(p)
    output_options(p)
    p.set_defaults(function=resume)


def resume(arguments: argparse.Namespace) -> int:
    """Go on with a run that was killed or stopped: from its last checkpoint, or with its figures.

    Raises
    ------
    InputError
        If it has neither ended nor left a checkpoint, or its checkpoint leads to wrong numbers.
    """
    import numpy as np

    from multicopy.analysis.files import holding, keeping
    from multicopy.model.health import NumericFault
    from multicopy.model.scenario import InputError

    arguments.force = True  # what the folder holds is of the run that goes on
    out = arguments.run
    with listening() as stop:
        load_plugins(arguments)
        if not keeping.has_state(out):
            return _finish(arguments, stop)
        try:
            # What NumPy would warn of, the health of each round tells better.
            with np.errstate(all="ignore"):
                return play(out, lambda: _last_state(out), arguments, stop)
        except NumericFault as fault:
            raise InputError(
                f"{fault}. This run went on from a checkpoint, which may have been changed; "
                f"{holding.anew(out)}, and if that ends the same, please report it"
            ) from None


def _finish(arguments: argparse.Namespace, stop: Stop) -> int:
    """Add what is missing to the folder of a run that went to its end."""
    from multicopy.analysis.files import folder, holding
    from multicopy.model.scenario import InputError

    out = arguments.run
    if not holding.is_run(out):
        folder.read(out)  # says why
    if holding.replaced(out):
        raise InputError(
            f"{out}: the run that was to take its place was killed before it left anything; "
            f"{holding.anew(out)}"
        )
    with folder.claimed(out, force=True), until_stopped(out, stop):
        try:
            run = folder.read_complete(out)
        except InputError as error:
            raise InputError(f"{error}; it has no checkpoint to go on from") from None
        folder.tidy(out)
        drawn = 0 if arguments.no_figures else draw_missing(run, out)
        if not arguments.quiet:
            name, seed = run.provenance.get("scenario"), run.seed
            say(f"{out}: the run ({name}, seed {seed}) is complete; figures drawn: {drawn}")
    return DONE


def _last_state(out: Path) -> Played:
    """The run as its checkpoint tells."""
    from multicopy.analysis.files import checkpoints

    checkpoint = checkpoints.read(out)
    how: dict[str, Any] = dict(checkpoint.header["how"])
    require_plugins(out, how)
    _require_versions(out, checkpoint.header["versions"])
    model = checkpoint.model()
    before = float(how.pop("seconds"))
    how["resumed"] = [*how["resumed"], {"round": model.round, "at": now()}]
    return Played(model, how, checkpoint.keeper(how), before)


def require_plugins(out: Path, how: Mapping[str, Any]) -> None:
    """Refuse a run whose plug-ins are not those that are loaded.

    Raises
    ------
    InputError
        If one is missing, has changed, or is too many.
    """
    from multicopy.analysis.files import plugins
    from multicopy.model.scenario import InputError

    used, loaded = how.get("plugins"), plugins.loaded()
    if type(used) is not dict or not all(isinstance(v, str) for v in used.values()):
        raise InputError(f"{out}: does not say which plug-ins it used")
    for name, version in used.items():
        if version not in loaded.values():
            raise InputError(
                f"{out}: was made with the plug-in {name} ({version}), which is not loaded or "
                "has changed; name the same with --plugin"
            )
    if len(loaded) != len(used):
        raise InputError(f"{out}: was made with {len(used)} plug-ins, and {len(loaded)} are loaded")


def _require_versions(out: Path, made: Mapping[str, Any]) -> None:
    from multicopy.analysis.files.holding import anew
    from multicopy.analysis.files.versions import differing
    from multicopy.model.scenario import InputError

    if differ := differing(made):
        raise InputError(
            f"{out}: its checkpoint is of {differ[0]}; a run goes on with the same code and "
            f"libraries only, with others it would be another run; {anew(out)}"
        )


def setup_reproduce(p: argparse.ArgumentParser) -> None:
    """Options of `reproduce`."""
    p.add_argument("run", type=Path, metavar="RUN_DIR")
    plugin_option(p)
    p.set_defaults(function=reproduce)


def reproduce(arguments: argparse.Namespace) -> int:
    """Make a run again from its own files, and say of each table whether it is the same."""
    from multicopy.analysis.files import folder
    from multicopy.analysis.files.reproduction import IDENTICAL, reproduced
    from multicopy.analysis.files.versions import differing
    from multicopy.model.scenario import InputError

    load_plugins(arguments)
    run = folder.read(arguments.run, to_repeat=True)
    require_plugins(arguments.run, run.provenance)
    if not len(run.rounds):
        raise InputError(f"{arguments.run}: has no rounds to repeat")
    differ = differing(run.provenance["versions"])
    for what in differ:
        say(f"The run was made with {what}")
    done, found = run.provenance["rounds_done"], []
    tell = progress_bar("rounds")
    for name, how in reproduced(run, lambda model: tell(model.round, done)):
        say(f"{name:<12} {how}")
        found.append(how == IDENTICAL)
    same = all(found)
    why = "; other code or libraries may be why" if differ and not same else ""
    say(f"The run is {'the same, bit for bit' if same else 'not the same'}{why}.")
    return DONE if same else CHECK_FAILED
