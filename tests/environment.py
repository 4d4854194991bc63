"""Whether the environment of a process changes what it computes: ``make environment``.

Under each of many settings a process of its own makes the golden runs, runs with all parameters at
their bounds, one with more teams than a BLAS multiplies in one thread, and the points of sweeps.
It tells checksums of all tables; every setting must tell the same. Beside that stands whether
NumPy and SciPy themselves gave other bits under the setting, which shows that it does something.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pairwise
from golden import digest, golden, tables

from multicopy.analysis.many import points
from multicopy.analysis.many.design import Design, Method
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import resolve, shipped

ROOT = Path(__file__).parents[1]

# --- what is computed -----------------------------------------------------------------------------


def _golden(scenario: str) -> str:
    """Checksum of the golden run of a scenario; one of them has exhaustiveness above 0."""
    return str(golden(scenario)["digest"])


def _bounds() -> str:
    """Runs in which each pair of bounds or choices of all parameters occurs (`pairwise`)."""
    found = hashlib.sha256()
    for place, setting in enumerate(pairwise.settings(rounds=1)):
        found.update(_run(place, **setting).encode())
    return found.hexdigest()


def _many_teams() -> str:
    """More teams than a BLAS multiplies in one thread, and copies for more than one."""
    short = {f"phases.{name}.rounds": 1 for name in resolve().phases}
    return _run(0, **short, copies=24_576, teams=12_288)


def _run(seed: int, **overrides: Any) -> str:
    model = CollectiveModel(rng=seed, **overrides)
    model.run()
    return digest(tables(model))


def _points() -> str:
    """What the points of sweeps hold, by every method that draws them."""
    found = hashlib.sha256()
    factors = {
        "training.strength": {"low": 0.1, "high": 7.0, "scale": "log"},
        "oversight.audit": {"low": 0.0, "high": 0.3},
        "copies": {"low": 64, "high": 4096, "scale": "integer"},
    }
    cut = {name: {**factor, "steps": 5} for name, factor in factors.items()}
    for method in get_args(Method):
        varied = cut if method == "grid" else factors
        design = Design(method=method, samples=16, factors=varied)
        parsed = design.parsed()
        for factor, column in zip(parsed, points.columns(design, parsed), strict=True):
            found.update(repr([factor.shown(held) for held in column]).encode())
    return found.hexdigest()


CASES: Mapping[str, Callable[[], str]] = {
    **{name: partial(_golden, name) for name in shipped()},
    "all parameters at their bounds": _bounds,
    "many teams": _many_teams,
    "points of sweeps": _points,
}
"""What is computed under each setting."""


def tell(names: Iterable[str] = tuple(CASES)) -> None:
    """Write the checksum of each case as JSON: what the process under a setting does."""
    json.dump({name: CASES[name]() for name in names}, sys.stdout)


WITNESS = """
import hashlib, math
import numpy as np
from scipy.optimize import nnls
from scipy.special import expit, logsumexp
x = np.random.Generator(np.random.Philox(1)).standard_normal((96, 97))
y, positive = np.linspace(-20, 20, 20_000), np.linspace(1e-3, 20, 20_000)
found = [x @ x.T, x @ x[0], np.linalg.inv(x[:, :96]), nnls(x, x[:, 0] + x[:, 1] ** 2)[0]]
found += [np.exp(y), np.expm1(y), np.tanh(y), np.log(positive), np.power(positive, 0.3)]
found += [np.exp(y.astype("f")), np.sin(y.astype("f")), expit(y), logsumexp(x, axis=1)]
found += [np.array([f(v) for v in y]) for f in (math.exp, math.sin, math.atan)]
print(hashlib.sha256(b"".join(part.tobytes() for part in found)).hexdigest())
"""
"""What NumPy, SciPy and the C library compute by themselves."""

# --- settings -------------------------------------------------------------------------------------


class Setting(NamedTuple):
    """An environment of a process.

    Attributes
    ----------
    name
        What it is called in the table.
    variables
        Variables that are added to those of this process.
    compiles
        Whether the loops have to be compiled anew.
    alone
        Whether the process has no other variables.
    before
        What the process does before it becomes Python.
    """

    name: str
    variables: Mapping[str, str] = {}
    compiles: bool = False
    alone: bool = False
    before: Callable[[], object] | None = None


KERNELS = ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen", "SkylakeX")
"""Processors whose kernels of OpenBLAS are tried, where the machine has their instructions."""

PROCESSORS = ("generic", "nehalem", "haswell", "skylake-avx512", "znver4")
"""Processors that the loops are compiled for, with the instructions that the machine has."""

PLAIN: Mapping[str, Iterable[str]] = {
    "OPENBLAS_NUM_THREADS": ("1", "3"),
    "OMP_NUM_THREADS": ("1", "3"),
    "MKL_NUM_THREADS": ("1",),
    "MKL_CBWR": ("COMPATIBLE",),
    "NUMBA_NUM_THREADS": ("1",),
    "NUMBA_THREADING_LAYER": ("workqueue",),
    "NPY_PROMOTION_STATE": ("weak",),
    "NUMPY_MADVISE_HUGEPAGE": ("0",),
    "PYTHONHASHSEED": ("0", "1", "4294967295"),
    "PYTHONOPTIMIZE": ("1", "2"),
    "PYTHONDEVMODE": ("1",),
    "PYTHONMALLOC": ("malloc",),
    "PYTHONUTF8": ("0",),
    "LC_ALL": ("C", "POSIX", "de_DE.UTF-8", "tr_TR.UTF-8"),
    "LANG": ("ja_JP.UTF-8",),
    "TZ": ("Pacific/Kiritimati", "America/St_Johns"),
    "MALLOC_PERTURB_": ("165",),
    "MALLOC_ARENA_MAX": ("1",),
    "MALLOC_TOP_PAD_": ("1048576",),
    "HOME": ("/nonexistent",),
    "COLUMNS": ("7",),
}
"""Variables that are set one by one, each to these values."""

COMPILING: Mapping[str, Mapping[str, str]] = {
    **{f"NUMBA_CPU_NAME={name}": {"NUMBA_CPU_NAME": name} for name in PROCESSORS},
    "compiled for SSE2 only": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
    "NUMBA_OPT=1": {"NUMBA_OPT": "1"},
    "NUMBA_LOOP_VECTORIZE=0": {"NUMBA_LOOP_VECTORIZE": "0"},
}
"""Variables that change how the loops are compiled."""


def dispatched() -> list[str]:
    """Groups of instructions that NumPy asks this processor for, and can do without."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]


def plainest() -> dict[str, str]:
    """What makes NumPy, OpenBLAS and the C library do without newer instructions."""
    found = {"OPENBLAS_CORETYPE": "Prescott", "GLIBC_TUNABLES": _OLD_LIBRARY}
    return found | (
        {"NPY_DISABLE_CPU_FEATURES": " ".join(names)} if (names := dispatched()) else {}
    )


_OLD_LIBRARY = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"


def _one_processor() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


def settings() -> list[Setting]:
    """All of them, of which the first is this process's own."""
    one = [Setting(f"{name}={value}", {name: value}) for name in PLAIN for value in PLAIN[name]]
    features = [[name] for name in dispatched()]
    features += [dispatched()] if len(features) > 1 else []
    return [
        Setting("as it is"),
        Setting("no variables at all", alone=True),
        *(Setting(f"OPENBLAS_CORETYPE={name}", {"OPENBLAS_CORETYPE": name}) for name in KERNELS),
        *(
            Setting(f"NPY_DISABLE_CPU_FEATURES={told}", {"NPY_DISABLE_CPU_FEATURES": told})
            for told in map(" ".join, features)
        ),
        Setting("C library without AVX2 and FMA", {"GLIBC_TUNABLES": _OLD_LIBRARY}),
        Setting("all kernels of the plainest kind", plainest(), alone=True),
        *one,
        Setting("umask 077", before=partial(os.umask, 0o077)),
        Setting("started in /", before=partial(os.chdir, "/")),
        Setting("one processor", before=_one_processor),
        *(Setting(name, variables, compiles=True) for name, variables in COMPILING.items()),
    ]


# --- processes ------------------------------------------------------------------------------------


def told(setting: Setting, names: Iterable[str], place: Path) -> dict[str, str] | None:
    """What a process under a setting computes: the checksum of each case, and of `WITNESS`.

    None if the machine does not have the instructions that the setting asks for. The witness is
    ``none`` if NumPy's own arithmetic ends by that, and then the points of sweeps are left out:
    SALib multiplies by permutations for them, which is exact, but not without a BLAS. What is
    compiled anew is kept in `place`.
    """
    witness = _python(setting, WITNESS, place)
    names = [n for n in names if n != "points of sweeps" or witness.returncode != -signal.SIGILL]
    paths = [str(ROOT), str(ROOT / "tests")]
    task = f"import sys; sys.path[:0] = {paths}; import environment; environment.tell({names})"
    done = _python(setting, task, place)
    if done.returncode == -signal.SIGILL:
        return None
    for process in (witness, done):
        if process.returncode not in (0, -signal.SIGILL):
            raise RuntimeError(f"{setting.name}: {process.stderr[-2000:]}")
    return {**json.loads(done.stdout), "witness": witness.stdout or "none"}


def _python(setting: Setting, code: str, place: Path) -> subprocess.CompletedProcess[str]:
    cache = {"NUMBA_CACHE_DIR": str(place)} if setting.compiles else _own_cache()
    variables = {**({} if setting.alone else os.environ), **setting.variables, **cache}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=variables,
        preexec_fn=setting.before,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def _own_cache() -> dict[str, str]:
    named = os.environ.get("NUMBA_CACHE_DIR")
    return {"NUMBA_CACHE_DIR": named} if named else {}


def main() -> int:
    """Compute the same under many settings of the environment, and compare every bit."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--only", default="", help="settings whose names contain this")
    parser.add_argument("--cases", default=",".join(CASES), help="what is computed")
    arguments = parser.parse_args()
    chosen = [s for s in settings()[1:] if arguments.only in s.name]
    names = arguments.cases.split(",")
    differ = tried = 0
    print(f"{'setting':<44} {'runs':<10} {'NumPy, SciPy, libm':<20} {'s':>5}", flush=True)
    with tempfile.TemporaryDirectory() as base:
        first: dict[str, str] = {}
        for setting in [settings()[0], *chosen]:
            clock = time.perf_counter()
            found = told(setting, names, Path(base))
            first = first or found or {}
            runs, others = verdict(first, found)
            tried += found is not None
            differ += runs.startswith("differ")
            took = time.perf_counter() - clock
            print(f"{setting.name:<44} {runs:<10} {others:<20} {took:>5.0f}", flush=True)
    print(f"{tried} settings, {len(names)} checksums each: {differ} differ")
    return 1 if differ else 0


def verdict(first: Mapping[str, str], found: Mapping[str, str] | None) -> tuple[str, str]:
    """Whether the runs, and what NumPy computes by itself, are as under the first setting."""
    if found is None:
        return "-", "not on this machine"
    unlike = [name for name in found if found[name] != first[name] and name != "witness"]
    others = "same" if found["witness"] == first["witness"] else "differ"
    others = "illegal instruction" if found["witness"] == "none" else others
    return f"differ: {', '.join(unlike)}" if unlike else "same", others


if __name__ == "__main__":
    sys.exit(main())
