"""A job gets the device it was promised, or an error; never a silent CPU in its place."""

import pytest
import torch

from prefgrid.job import devices
from prefgrid.run import execution


def test_cpu_without_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv(execution.GPUS_VARIABLE, raising=False)
    assert devices.device() == torch.device("cpu")


def test_every_process_of_a_job_has_a_device_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("LOCAL_RANK", "3")  # some other launcher's
    assert devices.device() == torch.device("cuda", 0)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "run")
    assert devices.device() == torch.device("cuda", 3)


def test_promised_gpu_that_torch_cannot_see_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv(execution.GPUS_VARIABLE, "1")
    with pytest.raises(RuntimeError, match="asks for a GPU, but torch sees none"):
        devices.device()


def test_out_of_memory_says_what_to_lower() -> None:
    with (
        pytest.raises(RuntimeError, match="out of memory: lower reward.batch_size"),
        devices.explained_out_of_memory("lower reward.batch_size"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
