"""The command `run`: a scenario, its progress, and the folder it leaves."""

from __future__ import annotations

import argparse
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from multicopy.analysis.commands.console import DONE, WIDTH, Pace, duration, say, tell_first_use
from multicopy.analysis.commands.options import (
    neutral_option,
    resolved,
    scenario_options,
    whole_from_one,
    whole_from_zero,
)


def setup_run(p: argparse.ArgumentParser) -> None:
    """Options of `run`."""
    p.add_argument("scenario", nargs="?", default="ai2027", help="name or TOML file")
    p.add_argument("--seed", type=whole_from_zero, default=0)
    scenario_options(p)
    neutral_option(p)
    p.add_argument("--out", type=Path, metavar="DIR", help="default: results/SCENARIO-seedN")
    p.add_argument("--force", action="store_true", help="replace an existing run")
    p.add_argument("--lineage", action="store_true", help="keep the parent of each replaced copy")
    p.add_argument(
        "--checkpoint-every",
        type=whole_from_one,
        metavar="K",
        help="rounds after which the run can be resumed if it is killed",
    )
    output_options(p)
    p.set_defaults(function=run)


def output_options(p: argparse.ArgumentParser) -> None:
    """Add the options that say how much a run tells."""
    p.add_argument("--no-figures", action="store_true")
    p.add_argument("--quiet", action="store_true", help="no progress, no summary")


def run(arguments: argparse.Namespace) -> int:
    """Run a scenario; write its folder and tell how it went."""
    with listening() as stop:
        parameters, overrides = resolved(arguments)
        out = arguments.out or default_folder(parameters.name, arguments.seed)
        how = _how(overrides, arguments)
        begin = partial(_begin, parameters, arguments, out, how)
        return play(out, begin, arguments, stop, how["command"])


@dataclass
class Played:
    """A run in progress: how it was made, what writes its checkpoints, seconds it took before."""

    model: Any
    how: Mapping[str, Any]
    keeper: Any = None
    before: float = 0.0
    clock: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds that the run has taken so far."""
        return self.before + time.perf_counter() - self.clock


def play(
    out: Path,
    begin: Callable[[], Played],
    arguments: argparse.Namespace,
    stop: Stop,
    command: str = "",
) -> int:
    """Play a run to its end, or until it is stopped; write its folder and tell how it went.

    `command` is what begins the run anew, if it begins here.
    """
    from multicopy.analysis.files import folder, holding

    with folder.claimed(out, arguments.force, command), _way_on_told(out):
        played = _simulate(out, begin, arguments, stop)
        model, seconds = played.model, played.seconds
        if model.running:
            raise KeyboardInterrupt(
                f"after round {model.round} of {model.schedule.total}; "
                f"what there is, is in {out}, marked incomplete; {holding.way_on(out)}"
            )
        with until_stopped(out, stop):
            clock = time.perf_counter()
            if not (arguments.no_figures and arguments.quiet):
                tables = _tables(model)
            if not arguments.no_figures:
                draw_missing(tables, out)
            if not arguments.quiet:
                _tell(model, tables)
                rest = duration(time.perf_counter() - clock)
                took = f"{duration(seconds)} for {model.round} rounds, {rest} for the rest"
                say(f"\nThat took {took}. Files are in {out}/")
    return DONE


@contextmanager
def _way_on_told(out: Path) -> Iterator[None]:
    """Name the command that goes on, if what ends a command early left anything."""
    from multicopy.analysis.files import holding

    try:
        yield
    except (KeyboardInterrupt, OSError) as end:
        told = isinstance(end, KeyboardInterrupt) and end.args
        if told or not any(entry.name != holding.CLAIM for entry in out.iterdir()):
            raise
        on = holding.way_on(out)
        if isinstance(end, KeyboardInterrupt):
            raise KeyboardInterrupt(f"early; {on}") from end
        end.strerror = f"{end.strerror or end}; {on}"
        raise


@contextmanager
def until_stopped(out: Path, stop: Stop) -> Iterator[None]:
    """What is done once the tables are whole; a signal ends it."""
    from multicopy.analysis.files import holding

    stop.gently = False
    try:
        if stop.asked:
            raise KeyboardInterrupt
        yield
    except KeyboardInterrupt:
        on = holding.way_on(out)
        raise KeyboardInterrupt(
            f"after the last round; the tables in {out} are whole; {on}"
        ) from None


def _begin(
    parameters: Any, arguments: argparse.Namespace, out: Path, how: Mapping[str, Any]
) -> Played:
    """The run before its first round."""
    from multicopy.analysis.files import keeping, versions
    from multicopy.model.collective import CollectiveModel
    from multicopy.model.genealogy import Genealogy

    played = Played(CollectiveModel(parameters, rng=arguments.seed), how)
    if arguments.lineage:
        played.model.genealogy = Genealogy()
    if every := arguments.checkpoint_every:
        played.keeper = keeping.Keeper(out, every, how, versions.versions())
    return played


def _simulate(
    out: Path, begin: Callable[[], Played], arguments: argparse.Namespace, stop: Stop
) -> Played:
    """Run the model and write its tables."""
    from multicopy.agents.extensions import PluginFault
    from multicopy.analysis.files import folder, keeping
    from multicopy.model.health import NumericFault

    if not arguments.quiet:
        tell_first_use()
    played = begin()
    model, keep = played.model, [keeping.FOLDER] if played.keeper else []
    stop.gently = True
    try:
        _advance(played, stop, arguments.quiet)
    except (NumericFault, PluginFault) as fault:
        if not model.records.rows:
            raise
        folder.write(out, model, {**_ended(played), "fault": str(fault)}, keep)
        kept = f"{fault}; the tables up to there are in {out}, marked incomplete"
        raise type(fault)(kept) from fault
    finally:
        if played.keeper:
            played.keeper.close()
    folder.write(out, model, _ended(played), keep)
    stop.gently = False
    return played


def _how(overrides: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """How a run is made, for its provenance."""
    from multicopy.analysis.files import plugins

    return {
        "overrides": overrides,
        "rounds_scale": arguments.rounds_scale,
        "plugins": plugins.loaded(),
        "command": shlex.join(["python", "run.py", *arguments.words]),
        "lineage": arguments.lineage,
        "resumed": [],
        "started": now(),
    }


def _ended(played: Played) -> dict[str, Any]:
    return {**played.how, "ended": now(), "seconds": round(played.seconds, 3)}


class Stop:
    """What signals ask for: to stop at once, or gently, once a round has ended and is kept."""

    def __init__(self) -> None:
        self.gently = self.asked = False

    def __call__(self, *_: object) -> None:
        """Note the first signal if there is something to keep; else, and at the next, interrupt."""
        if self.asked or not self.gently:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def listening() -> Iterator[Stop]:
    """Signals are noted meanwhile, and do not end a round half way."""
    stop = Stop()
    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def default_folder(scenario: str, seed: int) -> Path:
    """Folder of a run that is given none; a scenario's name may be any text."""
    name = re.sub(r"[^\w.-]+", "-", scenario)[:100].strip(".-") or "unnamed"
    return Path("results") / f"{name}-seed{seed}"


def _advance(played: Played, stop: Stop, quiet: bool) -> None:
    """Run to the end, or to the end of the round in which a signal came."""
    model, keeper = played.model, played.keeper
    report = _reporter(model, quiet)
    try:
        while model.running and not (stop.asked and model.round):
            model.step()
            if keeper:
                keeper.after_round(model, played.seconds)
            report(False)
    finally:
        report(True)
    if keeper and model.running:
        keeper.save(model, played.seconds)


def _reporter(model: Any, quiet: bool) -> Callable[[bool], None]:
    """A function to be called with False after each round, and with True at the end."""
    if quiet:
        return lambda end: None
    return _bar_reporter(model) if sys.stdout.isatty() else _line_reporter(model)


def _bar_reporter(model: Any) -> Callable[[bool], None]:
    """A progress bar, for a terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f} rounds/s"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    task = bar.add_task("", total=model.schedule.total, completed=model.round, rate=0.0)
    bar.start()

    def report(end: bool) -> None:
        if end:
            bar.stop()
            return
        rate = bar.tasks[0].speed or 0.0
        bar.update(task, completed=model.round, description=f"{_phase(model):<22}", rate=rate)

    return report


def _line_reporter(model: Any) -> Callable[[bool], None]:
    """One line a phase, for a pipe or a log."""
    told, pace = model.round, Pace()

    def report(end: bool) -> None:
        nonlocal told
        rate = pace.rate(model.round)
        turn = model.schedule.turn(model.round) if model.round else None
        if turn is None or told == model.round or not (end or turn.place == turn.phase.rounds):
            return
        told, total = model.round, model.schedule.total
        line = f"{_phase(model):<22} {told:>4}/{total} rounds"
        if rate is not None:
            line += f", {rate:.0f} rounds/s"
            line += "" if told == total or end else f", {duration((total - told) / rate)} left"
        say(line)

    return report


def _phase(model: Any) -> str:
    turn = model.schedule.turn(model.round)
    return str(turn.phase.label or turn.name)


@dataclass(frozen=True, slots=True)
class _Tables:
    """What figures and summary are made of; the copies and the words of all events are not."""

    rounds: Any
    events: Any
    ledger: Any
    archetypes: Any
    parameters: Any


def _tables(model: Any) -> _Tables:
    from multicopy.analysis.files.folder import archetype_table

    records = model.records
    events, ledger = records.events.outline(), model.ledger.frame()
    return _Tables(records.rounds(), events, ledger, archetype_table(model), model.parameters)


def draw_missing(tables: Any, out: Path) -> int:
    """Draw the figures that a run folder does not have yet; how many there were."""
    from multicopy.analysis import figures
    from multicopy.analysis.files import folder

    drawn = figures.all_figures(tables, but=folder.figures_of(out))
    figures.save(drawn, out / folder.FIGURES)
    return len(drawn)


def _tell(model: Any, tables: _Tables) -> None:
    """Print the summary, in colors only on a terminal."""
    from rich.console import Console

    from multicopy.analysis.commands.summary import summary

    terminal = sys.stdout.isatty()
    console = Console(width=min(WIDTH, Console().width) if terminal else WIDTH)
    told = tables.rounds, tables.ledger, tables.events
    with console.capture() as caught:
        console.print(summary(*told, model.outcome(), model.parameters, console.width))
    for line in caught.get().splitlines():
        say(line.rstrip())


def now() -> str:
    """The time, for a provenance."""
    return datetime.now(UTC).isoformat(timespec="seconds")
