"""The command `serve`: the interactive page."""

from __future__ import annotations

import argparse

from multicopy.analysis.commands.options import whole_from_zero


def setup_serve(p: argparse.ArgumentParser) -> None:
    """Options of `serve`."""
    p.add_argument("--scenario", default="ai2027", help="name or TOML file")
    p.add_argument("--port", type=whole_from_zero, default=8765)
    p.set_defaults(function=serve)


def serve(arguments: argparse.Namespace) -> int:
    """Serve the interactive page on this machine."""
    from multicopy.analysis import app
    from multicopy.model.scenario import resolve

    resolve(arguments.scenario)
    return app.serve(arguments.scenario, arguments.port)
