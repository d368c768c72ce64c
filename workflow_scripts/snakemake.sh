#!/bin/sh
# .venv/bin/snakemake, as `make setup` copies it there.
bin=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# In safe-path mode Python would not find the package beside launch.py. Jobs get that mode again.
exec env -u PYTHONSAFEPATH "$bin/python" "$bin/../../workflow_scripts/launch.py" "$@"
