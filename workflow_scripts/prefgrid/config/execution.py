"""The section `execution`: where and how fast jobs run."""

from typing import Annotated

from pydantic import Field

from prefgrid.config.fields import Count, Section


def _threads_of_the_long_job() -> dict[str, int]:
    return {"train_tiny_base": 2}


class Execution(Section):
    """Nothing here may change a result beyond rounding, and nothing is tracked."""

    torch_threads: Count = Field(1, description="CPU threads of a job")
    torch_threads_of: dict[str, Count] = Field(
        default_factory=_threads_of_the_long_job, description="exceptions by script name"
    )
    gpus_per_job: Annotated[int, Field(ge=0)] = Field(
        0,
        description="devices of a training job; other jobs with a model take one; 0: CPU only",
    )
    jobs_per_gpu: Count = Field(
        1,
        description="one-device jobs that may share a device; --resources gpu=N then counts shares",
    )
    checkpoint_seconds: Annotated[float, Field(ge=0)] = Field(
        300.0,
        description="a training job saves where it is this often, to go on after a kill",
    )
    preload: bool = Field(
        True, description="start local jobs from a process that has imported torch already"
    )
    mem_mb: Count = Field(4000, description="memory a cluster job asks for, times the attempt")
    runtime_minutes: Count = Field(
        120, description="time limit of a cluster job, times the attempt"
    )
