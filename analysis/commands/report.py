"""The report: one self-contained page about a run or a sweep, and the command that writes it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from multicopy.analysis.commands.options import load_plugins, plugin_option

NAME: Final = "report.html"


def setup_report(p: argparse.ArgumentParser) -> None:
    """Options of `report`."""
    p.add_argument("folder", type=Path, metavar="DIR", help="of a run or a sweep")
    p.add_argument("--out", type=Path, metavar="FILE", help=f"default: {NAME} in the folder")
    p.add_argument("--open", action="store_true", help="show it in the browser")
    plugin_option(p)
    p.set_defaults(function=report)


def report(arguments: argparse.Namespace) -> int:
    """Write the report of a run or a sweep as one HTML file, and say what it could not show."""
    import webbrowser

    from multicopy.analysis.files.places import require_files

    load_plugins(arguments)
    path = arguments.out or arguments.folder / NAME
    if arguments.out or arguments.folder.is_dir():
        require_files(path.parent, [path.name])
    page, notes = _page(arguments.folder)
    save(page, path)
    for note in notes:
        print(f"note: {note}")
    print(f"The report is {path}")
    if arguments.open:
        webbrowser.open(path.resolve().as_uri())
    return 0


def _page(folder: Path) -> tuple[str, list[str]]:
    """The page about a folder, and what is missing in it."""
    from multicopy.analysis.many.tables import gather, is_sweep

    if is_sweep(folder):
        from multicopy.analysis.report import sweep

        return sweep.page(gather(folder))
    from multicopy.analysis.files import frames
    from multicopy.analysis.report import builder

    return builder.page(frames.load(folder))


def save(page: str, path: Path) -> None:
    """Write a page, whole or not at all.

    Raises
    ------
    InputError
        If it cannot be written there.
    """
    from multicopy.analysis.files.writing import written
    from multicopy.model.scenario import InputError

    try:
        with written(path) as file:
            file.write(f"{page}\n".encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
