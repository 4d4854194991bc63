"""Where results go: what cannot be written there is named before the work begins."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

from multicopy.model.scenario import InputError


def require_unicode(text: str) -> None:
    """Refuse text that no file of UTF-8 can hold.

    Raises
    ------
    InputError
        If it is not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{text!r} is not allowed: it is not UTF-8") from None


def require_name(name: str | Path) -> None:
    """Refuse a name that tables, JSON and messages of one line cannot hold.

    Raises
    ------
    InputError
        If it is not UTF-8, or has a control character such as a line break.
    """
    text = str(name)
    require_unicode(text)
    if any(c < " " or c == "\x7f" for c in text):
        raise InputError(f"{text!r} is not allowed: it has a line break or the like")


def require_folder(folder: Path) -> None:
    """Make a folder if there is none.

    Raises
    ------
    InputError
        If it cannot be made, or there is a file in its place.
    """
    require_name(folder)
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file, not a folder")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror or error}") from None


def require_files(folder: Path, names: Iterable[str]) -> None:
    """Make sure that files can be written to a folder, or replaced there.

    Raises
    ------
    InputError
        If the folder cannot be written to, or one of the names is that of a folder.
    """
    require_name(folder)
    try:
        TemporaryFile(dir=folder).close()
        taken = [name for name in names if (folder / name).is_dir()]
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to: {error.strerror or error}") from None
    if taken:
        raise InputError(f"{folder / taken[0]}: is a folder, not a file")
