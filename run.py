"""The command line of Multicopy; `python run.py --help` lists the commands."""

import sys
from pathlib import Path

if (root := str(Path(__file__).absolute().parent)) not in sys.path:
    sys.path.insert(0, root)  # Python was told not to (-P, PYTHONSAFEPATH)

from multicopy.analysis.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
