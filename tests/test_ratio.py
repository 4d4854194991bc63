"""The comparison of speeds fails only where the median of five is below half of what it was."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def ratio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script, where a speed of 2 is expected of 64 copies."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location("ratio", BENCHMARKS / "ratio.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected = tmp_path / "expected.toml"
    expected.write_text("measured = 2027-01-01\n[speed]\n64 = 2.0\n", "utf-8")
    monkeypatch.setattr(module, "EXPECTED", expected)
    return module


@pytest.mark.parametrize(
    ("measured", "code"),
    [
        ([2.0, 2.0, 2.0, 2.0, 2.0], 0),
        ([1.0, 1.0, 1.0, 1.0, 1.0], 0),
        ([0.1, 0.1, 1.0, 1.1, 1.2], 0),
        ([0.1, 0.1, 0.9, 1.1, 9.0], 1),
    ],
)
def test_only_a_median_below_half_fails(
    ratio: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    measured: list[float],
    code: int,
) -> None:
    """Fails if one bad measurement is enough, if half the speed is too slow, or nothing is said."""
    monkeypatch.setattr(ratio, "speeds", lambda copies: measured)
    assert ratio.main() == code
    told = capsys.readouterr().out
    assert "expected 2.00" in told
    assert ("less than half" in told) == bool(code)


def test_each_measurement_is_a_speed(ratio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the measurement itself no longer runs, or gives another number of speeds."""
    monkeypatch.setattr(ratio, "ROUNDS", 1)
    measured = ratio.speeds(64)
    assert len(measured) == ratio.MEASUREMENTS
    assert min(measured) > 0
