"""The visualization server: where it listens, and what it says if it cannot."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from analysis import app
from model.scenario import InputError


def without_server(monkeypatch: pytest.MonkeyPatch, missing: str = "") -> None:
    """Pretend that the extra is installed, but for one module; let no server start."""
    monkeypatch.setattr(app, "find_spec", lambda name: None if name == missing else name)
    monkeypatch.setattr(app.subprocess, "Popen", lambda *_, **__: pytest.fail("it was started"))


def test_a_taken_port_is_told_with_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that fails with a traceback on a port in use would break it."""
    without_server(monkeypatch)
    with socket.socket() as taken:
        taken.bind((app.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"^port {port} is in use.*--port \d+$") as told:
            app.serve("ai2027", port)
        assert app._is_free(int(str(told.value).rpartition(" ")[2]))
    assert app._is_free(port)


@pytest.mark.parametrize("port", [0, 65535 + 1, 10**12])
def test_a_port_that_cannot_be_is_told_with_one_that_can(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An OverflowError, or `--port None` as advice, would break it."""
    without_server(monkeypatch)
    with pytest.raises(InputError, match=r"not allowed; try --port \d+$"):
        app.serve("ai2027", port)


@pytest.mark.parametrize("module", app.NEEDED)
def test_a_missing_module_is_told(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback, or a page that loads its scripts from the internet, would break it."""
    without_server(monkeypatch, module)
    with pytest.raises(InputError, match=f"needs {module}.*make serve"):
        app.serve("ai2027", 0)


def test_the_server_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that other machines reach, or that reports to its makers, would break it."""
    calls: list[Any] = []

    class Server:
        def __init__(self, command: list[str], env: dict[str, str]) -> None:
            calls.append((command, env))

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def wait(self) -> int:
            return 3

    without_server(monkeypatch)
    monkeypatch.setattr(app.subprocess, "Popen", Server)
    with socket.socket() as probe:
        probe.bind((app.HOST, 0))
        port = probe.getsockname()[1]
    assert app.serve("slowdown", port) == 3
    ((command, env),) = calls
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == str(port)
    assert "--no-check-version" in command
    assert env[app.SCENARIO] == "slowdown"
    assert env["SOLARA_TELEMETRY_MIXPANEL_ENABLE"] == "false"
    assert env["PYTHONPATH"].startswith(str(app.ROOT))
