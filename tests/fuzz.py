"""Fuzzing of the command line: thousands of faulty inputs, each to be told in clear lines.

Run by hand as ``PYTHONPATH=. python tests/fuzz.py --inputs 10000``; tests/test_fuzz.py does a few.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w
from kept import begun, kept_folder, parts_of, signed
from mutations import ODD_TEXT, ODD_VALUES, mutated_bytes, mutated_table, mutated_tree

from multicopy.agents.parameters import Parameters
from multicopy.agents.traits import TRAITS
from multicopy.analysis.commands.cli import main as command_line
from multicopy.analysis.files import plugins
from multicopy.model.scenario import resolve, scale_rounds, shipped, table

ROOT = Path(__file__).parents[1]
LIMIT = 120
"""Seconds after which an input counts as one that hangs."""

MEMORY = 6 * 2**30
"""Bytes that all of it may take."""

LONGEST = 1000
"""Characters that a line may have which tells of an error."""

TINY = ["--copies", "32", "--rounds-scale", "0.01"]
DESIGN = """
replicates = 2
keep = ["phases"]
[factors]
"oversight.audit" = [0.1, 0.9]
"oversight.rotation" = [0.05, 0.8]
"""


class Hang(BaseException):
    """An input took longer than `LIMIT`."""


@dataclass(frozen=True, slots=True)
class Case:
    """A command to try, and others once it succeeds; they may write to `writes` only."""

    words: list[str]
    writes: tuple[str, ...] = ()
    then: tuple[list[str], ...] = ()


# --- what an input does -------------------------------------------------------------------------


class Watch:
    """Notes what the code under test does to the machine, as Python's audit events tell it."""

    WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "socket.connect")

    def __init__(self) -> None:
        self.on = False
        self.allowed: tuple[Path, ...] = ()
        self.place = Path()
        self.seen: list[str] = []
        self.late = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            path = Path(os.path.abspath(os.fsdecode(arguments[0])))
            if (arguments[2] or 0) & self.WRITES:
                self._written(path)
        elif event == "exec":
            path = Path(os.path.abspath(getattr(arguments[0], "co_filename", "")))
            if path.suffix == ".py" and path.is_relative_to(self.place):
                self.seen.append(f"runs code from {path}")
        elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink"):
            for argument in arguments[
                : 2 if event in ("os.rename", "os.link", "os.symlink") else 1
            ]:
                self._written(Path(os.path.abspath(os.fsdecode(argument))))
        elif event in self.FORBIDDEN or (event == "subprocess.Popen" and arguments[0] != "git"):
            self.seen.append(f"{event} {arguments[:1]}")

    def _written(self, path: Path) -> None:
        caches = (ROOT, Path.home() / ".config", Path.home() / ".cache", Path(os.devnull))
        own = any(map(path.is_relative_to, caches)) or "__pycache__" in path.parts
        if not own and not any(path.is_relative_to(a) for a in self.allowed):
            self.seen.append(f"writes {path}")


_watch: list[Watch] = []


def attempt(case: Case, place: Path, may_load: bool = False) -> tuple[int | None, str]:
    """Try a command in the folder `place`: its exit code, and what is wrong with that, if anything.

    Right are success without a number that is none, and 2 with one or more clear lines.
    """
    if not _watch:
        _watch.append(Watch())
    watch, out, err = _watch[0], io.StringIO(), io.StringIO()
    watch.place, watch.seen, watch.late = place / "nowhere" if may_load else place, [], False
    watch.allowed = tuple(place / name for name in case.writes)
    before, code, fault = os.getcwd(), None, ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            os.chdir(place)
            watch.on = True
            with _limited(watch), warnings.catch_warnings():
                warnings.simplefilter("always")
                code = command_line(case.words)
        except SystemExit as end:
            code = int(end.code or 0)
        except Hang:
            pass
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            fault = "traceback: " + "".join(traceback.format_exception(error)[-2:]).strip()
        finally:
            watch.on = False
            os.chdir(before)
            _forget_plugins()
    if watch.late:
        fault = f"hangs for {LIMIT} s"
    return code, fault or _judged(case.words, code, out.getvalue(), err.getvalue(), watch.seen)


def _judged(words: Sequence[str], code: int | None, out: str, err: str, seen: Sequence[str]) -> str:
    if seen:
        return seen[0]
    if code == 0:
        if found := re.search(r".*Warning: .*", err):
            return f"success with a warning: {found[0]}"
        found = re.search(r".{0,40}(?<![\w.])-?(nan|inf)(?![\w.]).{0,20}", out)
        return f"success with no number: {found[0]}" if found else ""
    # A number that was forged may break a law of arithmetic only once the run goes on.
    if code != 2 and not (code == 70 and words[0] == "resume"):
        return f"exit code {code}: {err[-300:]}"
    aside = ("note: ", "stopped", "warning: ")
    lines = [line for line in err.splitlines() if not line.startswith(aside)]
    if not lines or not all(line.startswith("error: ") and len(line) > 15 for line in lines):
        return f"unclear lines: {err[:300]!r}"
    if any(len(line) > LONGEST for line in lines):
        return f"a line of {max(map(len, lines))} characters: {err[:100]!r}"
    hidden = not all(line.isprintable() for line in lines)
    return f"control characters in a line: {err[:300]!r}" if hidden else ""


@contextlib.contextmanager
def _limited(watch: Watch) -> Iterator[None]:
    def stop(*_: object) -> None:
        watch.late = True  # what runs may take the exception for a fault of a plug-in
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _forget_plugins() -> None:
    plugins.forget()


# --- inputs -------------------------------------------------------------------------------------


@dataclass
class Stock:
    """What inputs are made from: scenarios and designs that are right, a run, a sweep."""

    folder: Path
    scenarios: list[bytes] = field(default_factory=list, repr=False)
    designs: list[bytes] = field(default_factory=list, repr=False)

    @classmethod
    def laid_in(cls, folder: Path) -> Stock:
        """Make a run and a sweep in `folder`, to be spoilt."""
        from multicopy.model.scenario import to_toml

        stock = cls(folder)
        texts = [path.read_bytes() for path in shipped().values()]
        stock.scenarios = [*texts, to_toml(scale_rounds(resolve(), 0.02)).encode()]
        designs = [path.read_bytes() for path in sorted((ROOT / "designs").glob("*.toml"))]
        stock.designs = [*designs, DESIGN.encode()]
        (folder / "design.toml").write_text(DESIGN)
        run = ["run", *TINY, "--lineage", "--no-figures", "--quiet", "--out"]
        sweep = ["sweep", "design.toml", *TINY, "--workers", "0", "--out"]
        for words, name in ((run, "run"), (sweep, "sweep")):
            code, fault = attempt(Case([*words, name], (name, "sweep")), folder)
            assert code == 0, fault
            assert not fault, fault
        tiny = begun(scale_rounds(resolve(overrides={"copies": 32}), 0.01), 1)
        for _ in range(6):
            tiny.step()
        kept_folder(tiny, folder / "kept")
        return stock


def scenario(rng: Random, stock: Stock, place: Path) -> Case:
    """A scenario file; what is valid is run if it is small enough."""
    source = rng.choice(stock.scenarios)
    (place / "mine.toml").write_bytes(_mutated_toml(rng, source))
    (place / "evil.py").write_text("open('escaped', 'w')")
    try:
        scaled = scale_rounds(resolve(place / "mine.toml"), 0.01)
    except Exception:
        return Case(["parameters", "mine.toml"])
    if not _is_tiny(scaled):
        return Case(["parameters", "mine.toml"])
    size = [] if scaled.copies <= 256 else TINY[:2]
    return Case(["run", "mine.toml", *size, *TINY[2:], "--quiet", "--no-figures"], ("results",))


def _is_tiny(p: Parameters) -> bool:
    rounds = sum(phase.rounds for phase in p.phases.values())
    return rounds <= 60 and (p.teams in (0, 1) or p.copies <= 256)


def _mutated_toml(rng: Random, source: bytes) -> bytes:
    if rng.random() < 0.4:
        return mutated_bytes(rng, source)
    tree = mutated_tree(rng, tomllib.loads(source.decode()))
    try:
        return tomli_w.dumps(tree).encode()
    except (TypeError, ValueError, UnicodeEncodeError):
        return mutated_bytes(rng, source)


LABELS = (
    *("a", "a" * 60, "a" * 61, "two words", "[red]", "[/]", "[link=x]y[/link]", "$5 and $10", "$"),
    *("\\alpha", "%d", "{0}", "<b>", "&amp;", "é\u202e", *"'\"#|`-"),
    *(text for text in ODD_TEXT if text != "nan"),  # which is looked for in what is printed
)
DAYS = (
    *("0001-01-01", "0999-01-01", "1677-09-20", "1699-12-31", "1700-01-01", "1899-12-31"),
    *("1970-01-01", "2000-02-29", "2027-01-01", "2038-01-19", "2199-12-31", "2200-01-01"),
    *("2262-04-12", "9999-12-31"),
)
SMALLEST: tuple[dict[str, Any], ...] = (
    {"copies": 1, "teams": 1, "divisions": 1},
    {"copies": 2, "teams": 2},
    {"copies": 3, "teams": 1},
    {"copies": 32},
    {"copies": 64, "teams": 64, "divisions": 64},
)
STILL = {
    "training.challenge_rate": 0.0,
    "subdivisions.contest_rate": 0.0,
    "subdivisions.division_rate": 0.0,
    "subdivisions.reshuffle": 0.0,
    "subdivisions.correction": False,
}
"""Where nobody is replaced."""


def extreme(rng: Random, stock: Stock, place: Path) -> Case:
    """A scenario at the bounds of what is allowed, or just beyond: run, then read by a command."""
    p = resolve(rng.choice(list(shipped()))).model_dump(exclude_none=True)
    p |= rng.choice(SMALLEST)
    named = rng.sample(sorted(p["phases"]), rng.randint(1, len(p["phases"])))
    p["phases"] = {
        rng.choice(LABELS) if rng.random() < 0.1 else name: _extreme_phase(rng, p["phases"][name])
        for name in p["phases"]
        if name in named
    }
    if rng.random() < 0.3:
        _extreme_authors(rng, p)
    if rng.random() < 0.2:
        p["name"] = rng.choice(LABELS)
    changes = dict(STILL) if rng.random() < 0.2 else {}
    bounded = [i for i in table() if i.low is not None and not i.path.endswith((".rounds", "ies"))]
    bounded = [i for i in bounded if i.path.partition(".")[0] not in ("phases", "archetypes")]
    for info in rng.sample(bounded, rng.choice((0, 0, 1, 3, 10))):
        if info.path not in ("copies", "teams", "divisions"):
            end = rng.choice((info.low, info.high if info.high is not None else 1e6))
            changes[info.path] = int(end) if info.kind == "whole number" else float(end)
    for path, value in changes.items():
        section, _, name = path.partition(".")
        p[section][name] = value
    (place / "mine.toml").write_bytes(_toml(p))
    figures = [] if rng.random() < 0.05 else ["--no-figures"]
    end = ["--lineage", *figures, "--seed", str(rng.choice((0, 1, 2**63, 2**64 - 1))), "--out", "o"]
    # A report takes seconds, so few are made.
    then = ["report" if rng.random() < 0.1 else rng.choice(("explain", "lineage")), "o"]
    return Case(["run", "mine.toml", *end], ("o",), (then,))


def _toml(tree: dict[str, Any]) -> bytes:
    return tomli_w.dumps(json.loads(json.dumps(tree))).encode(errors="replace")


def _extreme_phase(rng: Random, phase: dict[str, Any]) -> dict[str, Any]:
    phase = {**phase, "rounds": rng.choice((1, 1, 2, 7))}
    if rng.random() < 0.3:
        phase["label"] = rng.choice(LABELS)
    if rng.random() < 0.3:
        phase["calendar"] = sorted(rng.choices(DAYS, k=2))
    if rng.random() < 0.2:
        phase["temptation"] = rng.choice((0.01, 100.0))
    if rng.random() < 0.2:
        phase["audit"] = rng.choice((0.0, 1.0))
    return phase


def _extreme_authors(rng: Random, p: dict[str, Any]) -> None:
    """One author with all the weight, far from all others, or called something else."""
    only = rng.choice(sorted(p["archetypes"]))
    for name, author in p["archetypes"].items():
        author["weight"] = float(name == only)
    blocks = sorted({trait.block for trait in TRAITS} | {trait.name for trait in TRAITS})
    far = rng.sample(blocks, rng.randint(1, len(blocks)))
    p["archetypes"][only]["departures"] = {key: rng.choice((-1000.0, 1000.0)) for key in far}
    p["authors"]["spread"] = rng.choice((0.01, 0.3, 5.0))
    if rng.random() < 0.2:
        p["archetypes"][rng.choice(LABELS)] = {"weight": 0.0}


def override(rng: Random, stock: Stock, place: Path) -> Case:
    """Values set on the command line."""
    paths = [info.path for info in table()]
    words = []
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(paths)
        if rng.random() < 0.3:
            path = mutated_bytes(rng, path.encode()).decode(errors="replace")
        value = rng.choice(ODD_VALUES)
        with contextlib.suppress(TypeError, ValueError):
            text = value if isinstance(value, str) else tomli_w.dumps({"x": value})[4:].strip()
            words += ["--set", f"{path}={text}".replace("\x00", "")]
    if rng.random() < 0.2:
        words += [rng.choice(("--copies", "--seed", "--rounds-scale")), rng.choice(ODD_TEXT)]
    try:
        from multicopy.model.scenario import parse_assignment

        told = dict(parse_assignment(word) for word in words[1::2] if "=" in word)
        if not _is_tiny(scale_rounds(resolve(overrides={"copies": 32, **told}), 0.01)):
            return Case(["parameters"])
    except Exception:
        pass  # what is wrong shows when it is tried
    size = [] if any("copies" in word for word in words) else TINY[:2]
    end = ["--quiet", "--no-figures", "--out", "out"]
    return Case(["run", *size, *TINY[2:], *words, *end], ("out",))


def design(rng: Random, stock: Stock, place: Path) -> Case:
    """A design; what is valid is tried by one run."""
    (place / "mine.toml").write_bytes(_mutated_toml(rng, rng.choice(stock.designs)))
    return Case(["sweep", "mine.toml", "--dry-run", *TINY, "--workers", "1"])


def run_folder(rng: Random, stock: Stock, place: Path) -> Case:
    """A run folder with a file that is damaged, and a command that reads it."""
    shutil.copytree(stock.folder / "run", place / "run")
    _spoil(rng, place / "run")
    (place / "evil.py").write_text("open('escaped', 'w')")
    words = rng.choice(
        (
            ["explain", "run", "--measure", rng.choice(("keep_team", "capture", "restraint"))],
            ["explain", "run", "--phase", "pretraining"],
            _seldom(rng, ["report", "run"], ["lineage", "run"]),
            ["lineage", "run"],
            ["probe", "retrain", "run", "--rounds", "2"],
            ["probe", "noise", "run"],
            ["fork", "run", "--at", "3"],
            ["fork", "run"],
            ["reproduce", "run"],
            ["run", "run/scenario.toml", "--quiet", "--no-figures", "--out", "run", "--force"],
        )
    )
    if "scenario.toml" in words[1] and not _runs_quickly(place / "run"):
        words = ["parameters", words[1]]
    if words[0] in ("probe", "fork", "reproduce") and not _runs_quickly(place / "run"):
        words = ["explain", "run"]
    return Case(words, ("run",))


def _seldom(rng: Random, slow: list[str], quick: list[str]) -> list[str]:
    """What takes seconds, one time in five; else what reads the same files."""
    return slow if rng.random() < 0.2 else quick


def _runs_quickly(folder: Path) -> bool:
    try:
        p = resolve(folder / "scenario.toml")
    except Exception:
        return True
    return _is_tiny(p) and p.copies <= 256


def sweep_folder(rng: Random, stock: Stock, place: Path) -> Case:
    """A folder of a sweep with a file that is damaged, and a command that reads it."""
    shutil.copytree(stock.folder / "sweep", place / "sweep")
    shutil.copy(stock.folder / "design.toml", place)
    _spoil(rng, place / "sweep")
    axes = ["--x", "oversight.audit", "--y", "oversight.rotation"]
    again = ["sweep", "design.toml", *TINY, "--workers", "0", "--out", "sweep"]
    words = rng.choice(
        (
            _seldom(rng, ["report", "sweep"], ["discover", "sweep", "--outcome", "misaligned"]),
            _seldom(rng, ["map", "sweep", *axes], [*again, "--resume"]),
            ["discover", "sweep", "--outcome", "misaligned"],
            [*again, "--resume"],
            [*again, "--retry-failed"],
        )
    )
    return Case(words, ("sweep",))


def checkpoint(rng: Random, stock: Stock, place: Path) -> Case:
    """A checkpoint with a file that is damaged, or a state forged under a right checksum."""
    shutil.copytree(stock.folder / "kept", place / "run")
    inside = place / "run" / "checkpoint"
    if rng.random() < 0.5:
        path = rng.choice(sorted(inside.iterdir()))
        other = rng.choice(sorted(inside.iterdir()))
        spoilt = other.read_bytes() if rng.random() < 0.2 else mutated_bytes(rng, path.read_bytes())
        path.write_bytes(spoilt)
    else:
        first, header, arrays = parts_of(inside / "state")
        header = mutated_tree(rng, header)
        if _resumes_quickly(header):
            with contextlib.suppress(
                TypeError, ValueError
            ):  # dates, and numbers of more digits than Python prints
                signed(inside / "state", first, header, arrays[: rng.choice((None, -1))])
    return Case(["resume", "run", "--quiet", "--no-figures"], ("run",))


def _resumes_quickly(header: dict[str, Any]) -> bool:
    try:
        both = [Parameters.model_validate(header["state"][n]) for n in ("declared", "parameters")]
    except Exception:
        return True
    return all(_is_tiny(p) and p.copies <= 256 for p in both)


def plugin(rng: Random, stock: Stock, place: Path) -> Case:
    """A plug-in with faults, and a run that uses it."""
    source = (ROOT / "tests" / "plugin_sample.py").read_text()
    if rng.random() < 0.5:
        path = place / "mine.py"
        path.write_bytes(mutated_bytes(rng, source.encode()))
    else:
        value = rng.choice(("None", "'x'", "1 / 0", "float('nan')", "[]", "model", "1e400", "{}"))
        returns = re.findall(r"return .*", source)
        (place / "mine.py").write_text(source.replace(rng.choice(returns), f"return {value}"))
    panel = "phases.pretraining.panel={oracle = 0.5, reader = 0.5}"
    uses = ["--set", "lab.response=pause", "--set", "lab.threshold=0.01", "--set", panel]
    end = ["--quiet", "--no-figures", "--out", "out"]
    return Case(["run", *TINY, "--plugin", "mine.py", *uses, *end], ("out",))


def _spoil(rng: Random, folder: Path) -> None:
    """Damage one file of a folder."""
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.name != ".lock")
    path = rng.choice(files)
    if rng.random() < 0.1:
        path.unlink()
    elif path.suffix == ".json" and rng.random() < 0.7:
        tree = mutated_tree(rng, json.loads(path.read_text(encoding="utf-8")))
        with contextlib.suppress(TypeError, ValueError):
            path.write_bytes(json.dumps(tree).encode(errors="replace"))
    elif path.suffix == ".toml":
        path.write_bytes(_mutated_toml(rng, path.read_bytes()))
    elif path.suffix == ".parquet" and rng.random() < 0.6:
        whole = pq.read_table(path, partitioning=None)
        spoilt = mutated_table(rng, whole).replace_schema_metadata(whole.schema.metadata)
        with contextlib.suppress(pa.ArrowException):
            pq.write_table(spoilt, path)
    else:
        path.write_bytes(mutated_bytes(rng, path.read_bytes()))


Maker = Callable[[Random, Stock, Path], Case]
KINDS: dict[str, tuple[Maker, int]] = {
    "scenario": (scenario, 40),
    "extreme": (extreme, 20),
    "override": (override, 10),
    "design": (design, 15),
    "run folder": (run_folder, 20),
    "sweep folder": (sweep_folder, 10),
    "checkpoint": (checkpoint, 10),
    "plug-in": (plugin, 5),
}
"""What makes inputs of each kind, and how many of a hundred are of it."""


def tried(kind: str, seed: Any, stock: Stock, place: Path) -> tuple[Case, int | None, str]:
    """Make an input in an empty folder and try it: the case, exit code and fault."""
    rng = seed if isinstance(seed, Random) else Random(f"{kind}:{seed}")
    case = KINDS[kind][0](rng, stock, place)
    code, fault = attempt(case, place, may_load=kind == "plug-in")
    fault = fault or _written_fault(place, case, code)
    for words in case.then if code == 0 else ():
        after, wrong = attempt(Case(words, case.writes), place)
        wrong = wrong or (f"exit code {after}" if after else "")
        fault = fault or (wrong and f"then {words[0]}: {wrong}")
    return case, code, fault


def _written_fault(place: Path, case: Case, code: int | None) -> str:
    """What is wrong with what a run wrote: NaN or infinity, or a folder that failed."""
    if case.words[0] != "run" or "--force" in case.words:
        return ""
    folders = [f.parent for f in place.glob("**/provenance.json")]
    if code != 0:
        whole = [f for f in folders if '"complete": true' in (f / "provenance.json").read_text()]
        return f"refused, and yet there is {whole[0]}" if whole else ""
    for path in (p for f in folders for p in f.glob("*.parquet")):
        frame = pq.read_table(path, partitioning=None).to_pandas().select_dtypes("number")
        wrong = frame.columns[~np.isfinite(frame.to_numpy(dtype=float)).all(axis=0)]
        if len(wrong):
            return f"success with no number: {wrong[0]} of {path.name}"
    return ""


# --- the command --------------------------------------------------------------------------------


def main() -> int:
    """Try many inputs; keep those that are answered wrongly."""
    p = argparse.ArgumentParser(description=main.__doc__)
    p.add_argument("--inputs", type=int, default=1000)
    p.add_argument("--seed", type=int, default=0, help="another seed tries other inputs")
    p.add_argument("--kinds", default=",".join(KINDS))
    p.add_argument("--keep", type=Path, default=Path("results/fuzz"))
    arguments = p.parse_args()
    kinds = arguments.kinds.split(",")
    # What asks for all the memory there is gets an error, and not the machine to its knees.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    total = sum(KINDS[kind][1] for kind in kinds)
    found, start = 0, time.perf_counter()
    print(f"{'kind':<14} {'inputs':>7} {'accepted':>9} {'refused':>8} {'faults':>7} {'s':>6}")
    with tempfile.TemporaryDirectory() as base:
        stock = Stock.laid_in(Path(base))
        place = Path(base) / "place"
        for kind in kinds:
            clock, counts = time.perf_counter(), {"accepted": 0, "refused": 0, "faults": 0}
            many = round(arguments.inputs * KINDS[kind][1] / total)
            for i in range(many):
                seed = f"{arguments.seed}/{i}"
                place.mkdir()
                case, code, fault = tried(kind, seed, stock, place)
                counts["faults" if fault else "accepted" if code == 0 else "refused"] += 1
                if fault:
                    kept = arguments.keep / kind.replace(" ", "-") / seed.replace("/", "-")
                    shutil.rmtree(kept, ignore_errors=True)
                    shutil.copytree(place, kept)
                    (kept / "FAULT.txt").write_text(f"{case.words}\n{fault}\n", errors="replace")
                    print(f"  {kept}: {' '.join(case.words)[:150]!r}: {fault[-700:]}", flush=True)
                shutil.rmtree(place)
            found += counts["faults"]
            told = " ".join(f"{n:>{w}}" for n, w in zip(counts.values(), (9, 8, 7), strict=True))
            print(f"{kind:<14} {many:>7} {told} {time.perf_counter() - clock:>6.0f}", flush=True)
    print(f"{found} faults, {time.perf_counter() - start:.0f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
