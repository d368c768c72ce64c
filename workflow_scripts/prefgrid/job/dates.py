"""Inputs dated ahead, by another machine's clock or one that was put back.

Snakemake dates a job's outputs when the job has ended, and throws away those that are older than an
input: the whole job for nothing, at every start.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from prefgrid.files import store

INERT = True


def bring_back(inputs: Sequence[Path]) -> None:
    """Date every input that is dated ahead of the clock to now; its bytes stay as they are.

    DataError naming the file, where this user may not.
    """
    for path in inputs:
        if not path.exists() or path.stat().st_mtime <= time.time():
            continue
        ahead = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(path.stat().st_mtime))
        try:
            os.utime(path)
        except OSError as error:
            raise store.DataError(
                f"{path}: is dated ahead, {ahead}, and may not be changed ({error.strerror}). "
                "Snakemake would throw away what is made from it: have its owner touch it, or set "
                "this machine's clock"
            ) from error
        store.log(f"{path} was dated ahead, {ahead}; it is dated now")
