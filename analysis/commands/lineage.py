"""Genealogies of a run: founders left, sweeps, descent against likeness, tree sequences."""

from __future__ import annotations

import argparse
from pathlib import Path


def setup_lineage(p: argparse.ArgumentParser) -> None:
    """Options of `lineage`."""
    p.add_argument("run", type=Path, metavar="RUN_DIR", help="folder of a run with --lineage")
    p.add_argument("--trait", default="keep_team", help="whose sweep to look for")
    p.add_argument("--tskit", type=Path, metavar="FILE", help="write a tree sequence")
    p.set_defaults(function=lineage)


def lineage(arguments: argparse.Namespace) -> int:
    """Tell the genealogy of a run in words; export it if asked."""
    from multicopy.analysis.files import places
    from multicopy.analysis.questions import trees

    kept = trees.read(arguments.run)
    if arguments.tskit:
        places.require_files(arguments.tskit.parent, [arguments.tskit.name])
    for line in trees.in_words(kept, arguments.trait):
        print(line)
    if arguments.tskit:
        trees.tree_sequence(kept).dump(str(arguments.tskit))
        print(f"The tree sequence is {arguments.tskit}")
    return 0
