"""What a run gives does not depend on the environment of its process."""

from __future__ import annotations

import sys
from pathlib import Path

import environment
import pytest
from golden import golden

linux = pytest.mark.skipif(sys.platform != "linux", reason="the settings are those of Linux")


@linux
@pytest.mark.slow
def test_the_plainest_kernels_give_the_same_run(tmp_path: Path) -> None:
    """Fails if a run rests on BLAS, or on newer instructions of NumPy or of the C library.

    Or on the order of sets, on memory that nobody wrote, on locale or time zone. The run of `psm`
    adds products over all copies up, and draws by them.
    """
    variables = {
        **environment.plainest(),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "4",
        "PYTHONOPTIMIZE": "1",
        "MALLOC_PERTURB_": "165",
        "LC_ALL": "C",
        "TZ": "Pacific/Kiritimati",
    }
    setting = environment.Setting("all at once", variables, alone=True)
    found = environment.told(setting, ["psm"], tmp_path)
    assert found is not None
    assert found["psm"] == golden("psm")["digest"]


def test_a_difference_is_told() -> None:
    """Fails if a setting under which a run differs is counted as the same."""
    first = {"psm": "a", "many teams": "b", "witness": "c"}
    assert environment.verdict(first, first) == ("same", "same")
    assert environment.verdict(first, {**first, "witness": "d"}) == ("same", "differ")
    assert environment.verdict(first, {**first, "psm": "d"}) == ("differ: psm", "same")
    assert environment.verdict(first, {**first, "witness": "none"})[0] == "same"
    assert environment.verdict(first, None)[0] == "-"


@linux
@pytest.mark.slow
def test_no_setting_of_the_environment_changes_a_run(tmp_path: Path) -> None:
    """Fails if one of all settings, processors that are compiled for among them, gives other bits.

    Under some of them NumPy itself must give others, or they would show nothing.
    """
    settings, cases = environment.settings(), ("psm", "many teams", "points of sweeps")
    found = {s.name: environment.told(s, cases, tmp_path) for s in settings}
    first = found["as it is"]
    assert first is not None
    runs = {name: environment.verdict(first, one) for name, one in found.items()}
    assert len(found) - list(found.values()).count(None) >= 30
    assert not [name for name, (same, _) in runs.items() if same.startswith("differ")]
    assert sum(others == "differ" for _, others in runs.values()) >= 3
