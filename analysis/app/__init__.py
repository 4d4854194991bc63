"""The visualization server: one run, live in a browser."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys

from model.scenario import InputError

HOST = "127.0.0.1"
SCENARIO = "MULTICOPY_SCENARIO"
"""Environment variable that names the scenario to the page."""


def serve(scenario: str, port: int) -> int:
    """Serve the page on this machine until it is stopped; return the server's exit code.

    Raises
    ------
    InputError
        If what the page needs is not installed, or the port is in use.
    """
    if importlib.util.find_spec("solara") is None:
        raise InputError("the page needs Solara, which is not installed: use `make serve`")
    if not _is_free(port):
        other = next((p for p in range(port + 1, port + 100) if _is_free(p)), None)
        raise InputError(f"port {port} is in use or not allowed; try --port {other}")
    print(f"Open http://{HOST}:{port} in a browser; Ctrl-C stops the server.", flush=True)
    settings = {
        SCENARIO: scenario,
        "SOLARA_THEME_SHOW_BANNER": "false",
        "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "false",
    }
    command = [sys.executable, "-m", "solara", "run", "analysis.app.page", "--production"]
    command += ["--no-open", "--host", HOST, "--port", str(port)]
    try:
        return subprocess.run(command, env={**os.environ, **settings}, check=False).returncode
    except KeyboardInterrupt:
        return 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
    return True
