"""The command `validate`: the simulator's own code against exact theory."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from multicopy.analysis.commands.console import CHECK_FAILED, DONE, tell_first_use
from multicopy.analysis.commands.options import comma_list, whole_from_zero


def setup_validate(p: argparse.ArgumentParser) -> None:
    """Options of `validate`."""
    p.add_argument("--only", type=comma_list, metavar="T7,T8", help="only these oracles")
    p.add_argument(
        "--replicates", type=whole_from_zero, default=4000, metavar="K", help="from 200 (4000)"
    )
    p.add_argument("--seed", type=whole_from_zero, default=0)
    p.add_argument("--out", type=Path, metavar="DIR", help="also write table and figures there")
    p.add_argument("--force", action="store_true", help="replace an existing result")
    p.set_defaults(function=validate)


def validate(arguments: argparse.Namespace) -> int:
    """Compare the simulator's own code with exact theory; 1 if any check fails."""
    from multicopy.analysis.questions import theory
    from multicopy.model.scenario import InputError

    oracles = theory.choose(arguments.only or [*theory.ORACLES])
    if arguments.replicates < theory.FEWEST:
        raise InputError(f"--replicates {arguments.replicates}: from {theory.FEWEST}")
    if arguments.out:
        from multicopy.analysis.files import folder

        folder.prepare_files(arguments.out, theory.files(oracles), arguments.force)
    tell_first_use()
    start, checks = time.perf_counter(), []
    for check in theory.validate(oracles, arguments.replicates, arguments.seed):
        checks.append(check)
        spread = f"± {check.se:.2g}, p = {check.chance:.2g}" if check.se > 0 else "(identity)"
        verdict = "ok" if check.passed else "FAILS"
        print(
            f"{check.oracle:<4} {check.setting:<74} {check.exact:>12.6g} "
            f"{check.measured:>12.6g} {spread:<22} {verdict}",
            flush=True,
        )
    failed = [check for check in checks if not check.passed]
    print(
        f"\n{len(checks) - len(failed)} of {len(checks)} checks hold, "
        f"{time.perf_counter() - start:.0f} s. "
        f"If all is right, one fails with probability {theory.false_alarm(checks):.1e}."
    )
    if arguments.out:
        theory.write(arguments.out, checks)
        theory.draw(arguments.out, oracles, arguments.replicates, arguments.seed)
        print(f"The table and figures are in {arguments.out}/")
    return CHECK_FAILED if failed else DONE
