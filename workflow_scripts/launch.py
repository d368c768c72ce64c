"""Snakemake's own program with a command line as its manual describes it, and this workflow's progress.

`make setup` makes this `.venv/bin/snakemake`. `python -m snakemake`, which Snakemake itself calls for
jobs of a cluster, is Snakemake as it comes.
"""

import sys
from pathlib import Path

from prefgrid.plan import command_line

# Where Snakemake finds the plugin `progress`.
PLUGINS = Path(__file__).parent / "plugins"
# Who asks for these wants Snakemake's words, or another's.
OTHER_WORDS = ("--logger", "--verbose", "--debug-dag")


def main() -> None:
    try:
        words = command_line.understood(sys.argv[1:])
    except command_line.CommandLineError as error:
        sys.exit(f"error: {error}")
    sys.path.append(str(PLUGINS))
    if not any(command_line.names(words, option) for option in OTHER_WORDS):
        end = words.index("--") if "--" in words else len(words)
        words[end:end] = ["--logger", "progress"]
    from snakemake.cli import main as snakemake

    snakemake(words)


if __name__ == "__main__":
    main()
