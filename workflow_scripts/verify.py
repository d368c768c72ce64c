"""Compare everything under results/ with what the present config and code would build.

Lists what is stale, foreign or corrupt, and how to put it right. Needs no record of Snakemake's
own. Options that it does not know go to Snakemake: `verify.py --configfile presets/spo_smoke.yaml`.
Exit status: 0 if all that exists is right, 1 if not, 2 if Snakemake cannot say what it would build.
"""

import argparse
import os
import sys
from pathlib import Path

from prefgrid.plan import command_line
from prefgrid.plan.verification import listing, plan
from prefgrid.plan.verification.survey import survey


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--quick", action="store_true", help="read records, not the files they name"
    )
    parser.add_argument("--names", action="store_true", help="print what to rebuild, nothing else")
    own, options = parser.parse_known_args()
    start = Path.cwd()
    try:
        options = command_line.understood([word for word in options if word != "--"])
        found = survey(options, quick=own.quick)
    except command_line.CommandLineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except plan.PlanError as error:
        print(f"{error}\nerror: Snakemake cannot plan a run with these options", file=sys.stderr)
        return 2
    if own.names:
        print("\n".join(listing.rebuild(found)))
    else:
        print("\n".join([*listing.listing(found), *listing.advice(found, options, start)]))
    return 1 if found.verdict.findings or found.foreign else 0


if __name__ == "__main__":
    # Paths and Snakemake's words are UTF-8, which a running interpreter cannot change to.
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    sys.exit(main())
