"""The last line of a failed job, for errors that really come from the system and the libraries."""

import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from prefgrid.job.explaining import explained, is_out_of_memory

FOLDER = Path("results/policies/method=dpo")


def caught(call) -> Exception:
    with pytest.raises(Exception) as info:
        call()
    return info.value


def test_a_full_device_names_the_folder_and_what_is_free():
    with open("/dev/full", "wb", buffering=0) as full:
        error = caught(lambda: full.write(b"x"))
    line = explained(error, FOLDER)
    assert line.startswith(f"{FOLDER}: no space is left to write")
    assert "MiB free there" in line and "run again" in line


def test_libraries_that_hide_the_number_in_their_text():
    hidden = SafetensorError("I/O error: No space left on device (os error 28)")
    assert "no space is left" in explained(hidden, FOLDER)
    arrow = OSError("Error writing bytes to file. Detail: [errno 28] No space left on device")
    assert "no space is left" in explained(arrow, FOLDER)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_may_not_be_written_is_named(number):
    error = OSError(number, "no", "results/x/.partial-a")
    line = explained(error, FOLDER)
    assert line.startswith("results/x/.partial-a: ") and "writable for this user" in line


def test_every_allocator_is_recognised():
    huge = 2**50
    found = [
        caught(lambda: np.empty(huge)),
        caught(lambda: torch.empty(huge)),
        caught(lambda: bytearray(huge)),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    ]
    assert all(map(is_out_of_memory, found))
    assert all("out of memory" in explained(error, FOLDER).lower() for error in found)
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


def test_anything_else_is_its_own_text_on_one_line():
    assert explained(ValueError("first\n  second"), FOLDER) == "first second"
    assert explained(KeyError(), FOLDER) == "KeyError"
