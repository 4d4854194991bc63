"""Mutation testing: which small faults of the simulation the tests find.

Run as ``PYTHONPATH=. python tests/mutate.py agents/lab.py --sample 40``, or by `make mutate`. Of
each file some faults are drawn by a seed (`tests/mutants.py`), and each is given to the tests that
`tests/mutation.toml` names for the file, up to the first that fails. What they let pass has
*survived*; the same list explains survivors. Results are kept in `results/mutation/`, and
``--report PAGE`` writes a page of all that is kept there.

The faults are Cosmic Ray's, but not its way of trying them, which writes each into the source and
starts an interpreter and one command for it. Here a process that has loaded the libraries forks
for each fault, which saves seconds; and the fault is in memory only, so the sources stay as they
are, and so does the compiled code of other files, which is kept under a checksum of all sources.
mutmut 3 changes nothing outside of functions, where parameters and traits are declared, and a
function that it has wrapped cannot be compiled.

A file with compiled loops is marked ``compiled = false``: it and the files that use it are not
compiled, which would take up to 15 s a fault, and only what it uses itself is. So the tests named
for it should have small populations. The files that all loops use are ``anew = true``: whatever
their tests run is compiled again for each fault.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Final

import coverage
import pytest
from mutants import sample

ROOT: Final = Path(__file__).parents[1]
KEPT: Final = ROOT / "results" / "mutation"
AGAIN: Final = KEPT / "compiled"
"""Where the code goes that is compiled for one trial."""
FACTOR, LEAST, WALL = 5, 20, 900
"""A trial may take so many times the seconds of the file as it is, at least so many, and wait so
many."""
MEMORY: Final = 8 << 30
"""Bytes that a trial may take: some faults ask for arrays without end."""
LIBRARIES: Final = (
    "hypothesis hypothesis.extra.numpy matplotlib mesa numba numpy pandas pandas.testing psutil "
    "pyarrow.parquet pydantic rich scipy.optimize scipy.special scipy.stats tomli_w"
).split()
"""Loaded once, for all trials."""

PAGE: Final = """# Faults that the tests would find

Tests are trusted as far as they can fail. `make mutate` makes small faults in the simulation
(another operator or number, a condition turned round, a loop that never runs, an effect left out)
and gives each to the tests. A fault that fails a test, or makes the tests take five times as long,
is *killed*. This page tells of all that was tried so far, up to forty faults of some files and
eight or ten of others, and is written by

```
make mutate ARGS="--sample 0 --report docs/mutation.md"
```

`ARGS="agents/lab.py --sample 100 --seed 1"` tries more of one file, and others. Faults are drawn by
the seed: first a place, then one of the changes that are possible there. Annotations, documentation
and the text of messages are left as they are. `tests/mutation.toml` says which tests are asked
about which file, and explains what survives.

{files}

The score of all is that of the faults tried. Files were not tried in proportion to their size:
weighed by the faults that are possible in each, it is {weighed}. A file of which ten were tried has
a score to within some ten points or more.

*Lines reached* is the share of a file's lines that those tests run: a by-product, since a line that
is run is not yet a line that is tested. Lines that run compiled are not seen, as most of `compiled`
and `draws`.

What had survived was tried again after tests were added to those that are asked, so the table
flatters a little. Of the files tried late, with compiled loops and what is around them (`conduct`,
`drives`, `overseers`, `population` and `traits` of `agents/`; `collective`, `competition`,
`health`, `ledger`, `records`, `tasks`, `training` and `work` of `model/`), 105 of 124 faults were
killed at first (85%). Of the other 19, six were found by tests that were there already and had not
been asked, and six by two tests and an assertion that were written for them; seven are left.

Seven files were tried last. In `draws` and `state` of `agents/` and `checkpoint`, `events`, `rows`
and `table` of `model/`, 35 of 48 faults were killed at first (73%): two of the other 13 were found
by a test that was there already, and five by two tests and an assertion that were written for them
(events read by their place, and those of no team; teams that share a call of the cipher; dates of
the rounds table); six are left. Of `agents/machine/compiled.py` six of eight were killed at first,
one of them by a test of faults in a second thread that was written once the sample was known, and a
seventh by tests that were there already.

## What survived

*Equivalent*: the program does the same. *Cosmetic*: it differs in words, room or speed. *Gap*: a
test could find it, and none does.

{survivors}

## What was not tried

* Most of the faults that are possible: the sample is small, and of one seed.
* Whole files, or so few faults of them that they are not counted:
  {untried}
* Two faults at once; faults of another kind than Cosmic Ray's and an effect left out; one bit
  operator for an arithmetic one, which fails on the first float that it meets.
* Faults as the compiler would see them. The loops of a file that is marked `compiled = false`, and
  of the files that use it, run in Python while its faults are tried. There an index beyond the end
  is an error; compiled, it would read what lies there. So a fault of that kind counts as killed by
  tests that may not see it in a compiled loop.
* Whether slow tests, golden runs, runs of the command line and the fuzz find what has survived: the
  score is that of the tests named in `tests/mutation.toml`, and these are the fast ones.
"""


@dataclass(frozen=True)
class Plan:
    """How the faults of one file are tried."""

    file: str
    tests: list[str]
    compiled: bool = True
    anew: bool = False

    @property
    def source(self) -> str:
        """The file as it is."""
        return (ROOT / self.file).read_text(encoding="utf-8")


def listed() -> dict[str, Any]:
    """What is known of files and survivors."""
    return tomllib.loads(Path(__file__).with_name("mutation.toml").read_text(encoding="utf-8"))


def place(file: str) -> Path:
    """Where the results of a file are kept."""
    return KEPT / (file.replace("/", "-") + ".json")


class Instead(importlib.abc.MetaPathFinder):
    """Finds a module of the project, and gives it another source."""

    def __init__(self, file: str, source: str) -> None:
        self.name, self.path, self.source = module_of(Path(file)), ROOT / file, source

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        """Answer for that module only."""
        source = self.source

        class Loader(importlib.machinery.SourceFileLoader):
            def get_code(self, fullname: str) -> CodeType:
                return compile(source, self.path, "exec")

        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(
            name, self.path, loader=Loader(name, str(self.path))
        )


def simulation() -> list[str]:
    """Files of the simulation."""
    places = ("agents/machine", "agents", "model")
    return [f"{place}/{path.name}" for place in places for path in (ROOT / place).glob("*.py")]


def module_of(file: Path) -> str:
    """Name under which a file of the simulation is imported."""
    return ".".join(("multicopy", *file.with_suffix("").parts))


def users(file: str) -> set[str]:
    """Modules of the simulation that use a file, itself among them."""
    imported: dict[str, set[str]] = {}
    for path in map(ROOT.joinpath, simulation()):
        names = imported[module_of(path.relative_to(ROOT))] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found, news = set(), {module_of(Path(file))}
    while news:
        found |= news
        news = {name for name, used in imported.items() if used & found} - found
    return found


def leave_uncompiled(file: str) -> None:
    """Let Python run the loops of a file and of its users; those below stay as they are kept."""
    from numba.core import extending

    # An intrinsic only asks for what is needed soon.
    extending._Intrinsic.__call__ = lambda *_, **__: None
    above = users(file)
    compiling = importlib.import_module("multicopy.agents.machine.compiled")
    compiled = compiling.compiled

    def chosen(function: Callable[..., Any], inline: bool = False) -> Any:
        return function if function.__module__ in above else compiled(function, inline)

    compiling.compiled = chosen


def in_a_fork(work: Callable[[], int], limit: int) -> int:
    """Exit status of some work done in a process of its own, negative for a signal.

    Seconds are those of the processor, so that a busy machine condemns no one; only who waits for
    what never comes is ended by the clock.
    """
    pid = os.fork()
    if pid == 0:
        os.setsid()
        void = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(void, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os._exit(work())
    end = time.monotonic() + WALL
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.killpg(pid, signal.SIGXCPU)
        time.sleep(0.02)


def tests_of(plan: Plan, source: str) -> int:
    """Run the tests of a file with a source in its place, up to the first failure."""
    sys.meta_path.insert(0, Instead(plan.file, source))
    if not plan.compiled:
        leave_uncompiled(plan.file)
    if plan.anew:
        shutil.rmtree(AGAIN, ignore_errors=True)
        os.environ["NUMBA_CACHE_DIR"] = str(AGAIN)
    chosen = [f"tests/{name}" for name in plan.tests]
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *chosen]))


def fate(plan: Plan, source: str, limit: int) -> str:
    """What becomes of a fault."""
    status = in_a_fork(lambda: tests_of(plan, source), limit)
    if status == -signal.SIGXCPU:
        return "timeout"
    return "survived" if status == pytest.ExitCode.OK else "killed"


def measured(plan: Plan) -> tuple[float, int]:
    """Share of the file's lines that its tests reach, and the time limit of a trial.

    Raises
    ------
    SystemExit
        If the tests fail on the file as it is.
    """
    told = KEPT / "coverage.json"

    def work() -> int:
        seen = coverage.Coverage(data_file=None, include=[str(ROOT / plan.file)])
        with seen.collect():
            status = tests_of(plan, plan.source)
        seen.json_report(outfile=str(told))
        return status

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if in_a_fork(work, WALL) != 0:
        raise SystemExit(f"{plan.file}: its tests fail without any fault")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    share = json.loads(told.read_text())["totals"]["percent_covered"] / 100
    told.unlink()
    return share, max(LEAST, round(FACTOR * seconds))


def tried(plan: Plan, size: int, seed: int) -> dict[str, Any]:
    """Try a sample of the faults of a file, telling each."""
    share, limit = measured(plan)
    possible, mutants = sample(plan.source, size, f"{seed} {plan.file}")
    found = []
    for mutant in mutants:
        end = fate(plan, mutant.source, limit)
        change = f"{mutant.before}  →  {mutant.after or '(nothing)'}"
        print(f"{end:8} {plan.file}:{mutant.line}: {change}", flush=True)
        found.append({"line": mutant.line, "change": change, "fate": end})
    return {"possible": possible, "coverage": share, "seed": seed, "mutants": found}


def report(kept: dict[str, dict[str, Any]], reasons: dict[str, dict[str, str]]) -> str:
    """Table of all files, and a table of the survivors with their reasons, in Markdown."""
    rows, survivors, total = [], [], Counter[str]()
    for file, result in kept.items():
        fates = Counter(mutant["fate"] for mutant in result["mutants"])
        total += fates
        rows.append(
            [file, f"{result['possible']:,}", *_figures(fates), f"{result['coverage']:.0%}"]
        )
        survivors += [
            [f"{file}:{m['line']}", _code(m["change"]), reasons.get(file, {}).get(m["change"], "?")]
            for m in result["mutants"]
            if m["fate"] == "survived"
        ]
    possible = sum(result["possible"] for result in kept.values())
    weighed = sum(
        result["possible"]
        * sum(mutant["fate"] != "survived" for mutant in result["mutants"])
        / max(len(result["mutants"]), 1)
        for result in kept.values()
    ) / max(possible, 1)
    rows.append(["**all**", f"{possible:,}", *_figures(total), ""])
    head = "file|possible|tried|killed|of them by time|survived|score|lines reached".split("|")
    return PAGE.format(
        files=_table(head, rows),
        survivors=_table(["where", "change", "why"], survivors),
        weighed=f"{weighed:.0%}",
        untried=_untried(set(kept)),
    )


def _untried(tried: set[str]) -> str:
    """Which files were not tried at all, as a sentence."""
    left = sorted(f"`{f}`" for f in set(simulation()) - tried if not f.endswith("__init__.py"))
    return f"{', '.join(left)}." if left else "none."


def _figures(fates: Counter[str]) -> list[str]:
    tried = fates.total()
    return [
        str(tried),
        str(tried - fates["survived"]),
        str(fates["timeout"]),
        str(fates["survived"]),
        f"{1 - fates['survived'] / max(tried, 1):.0%}",
    ]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(change: str) -> str:
    return " → ".join(f"`{side}`" for side in change.replace("|", "\\|").split("  →  "))


def main(arguments: Sequence[str] | None = None) -> None:
    """Try files, and write the report if asked to."""
    known = {file: Plan(file, **how) for file, how in listed()["files"].items()}
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", help="files of agents/ and model/; all by default")
    parser.add_argument(
        "--sample", type=int, default=40, help="faults to try a file; 0 only reports"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the faults")
    parser.add_argument("--report", type=Path, help="page to write of all that was tried")
    told = parser.parse_args(arguments)
    for file in told.files:
        if file not in known:
            parser.error(f"{file} is not in tests/mutation.toml")
    KEPT.mkdir(parents=True, exist_ok=True)
    for library in LIBRARIES:
        importlib.import_module(library)
    os.chdir(ROOT)
    for file in (told.files or known) if told.sample else ():
        result = tried(known[file], told.sample, told.seed)
        place(file).write_text(json.dumps(result, indent=1), encoding="utf-8")
    if told.report:
        kept = {f: json.loads(place(f).read_text()) for f in known if place(f).is_file()}
        told.report.write_text(report(kept, listed()["survivors"]), encoding="utf-8")


if __name__ == "__main__":
    main()
