"""The visualization server: runs, live in browsers, a run of its own for each tab."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain

from multicopy.model.scenario import InputError

HOST = "127.0.0.1"
PORT = 8765
"""Where a free port is looked for if there is none above the one asked for."""
SCENARIO = "MULTICOPY_SCENARIO"
"""Environment variable that names the scenario to the page."""
NEEDED = ("solara", "solara_assets")
"""Modules of the extra `serve`. Without the assets, browsers would load scripts from elsewhere."""


def serve(scenario: str, port: int) -> int:
    """Serve the page on this machine until it is stopped; return the server's exit code.

    Parameters
    ----------
    scenario
        Name of a shipped scenario, or path of a TOML file.
    port
        Port on this machine, which nothing else may be using.

    Raises
    ------
    InputError
        If what the page needs is not installed, or the port cannot be used.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f"the page needs {missing[0]}, which is not installed: use `make serve`")
    if not _is_free(port):
        raise InputError(f"port {port} is in use or not allowed; {_proposal(port)}")
    os.environ |= _environment(scenario)  # before anything of Solara is imported, which reads it
    from multicopy.analysis.app.server import run

    return run(HOST, port)


def _environment(scenario: str) -> dict[str, str]:
    """Variables of the server's process: what to show, and to use nothing from the network."""
    return {
        SCENARIO: scenario,
        "SOLARA_APP": "multicopy.analysis.app.page",
        "SOLARA_ASSETS_CDN": f"http://{HOST}:9/",  # nothing is fetched that is not bundled
        "SOLARA_KERNEL_CULL_TIMEOUT": "15s",  # for tabs that could not say that they close
        "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "false",
        "SOLARA_THEME_FORCE_REFRESH": "true",  # where the server has no run of the tab any more
        "SOLARA_THEME_SHOW_BANNER": "false",
    }


def _proposal(port: int) -> str:
    above = range(port + 1, min(port + 100, 65536))
    free: Iterator[int] = filter(_is_free, chain(above, range(PORT, PORT + 100)))
    other = next(free, None)
    return "choose another with --port" if other is None else f"try --port {other}"


def _is_free(port: int) -> bool:
    if not 0 < port < 65536:
        return False
    with socket.socket() as probe:
        # As the server itself binds: a port that was in use a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
