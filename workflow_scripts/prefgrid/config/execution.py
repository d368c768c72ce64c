"""The section `execution`: where and how fast jobs run."""

from typing import Annotated, Literal

from pydantic import Field

from prefgrid.config.fields import Distinct, Section

# A year.
MOST_MINUTES = 366 * 24 * 60
# More than any machine has.
Threads = Annotated[int, Field(ge=1, le=1024)]
Memory = Annotated[int, Field(ge=1, le=10**8)]
Minutes = Annotated[int, Field(ge=1, le=MOST_MINUTES)]


def _threads_of_the_long_job() -> dict[str, int]:
    return {"train_tiny_base": 2}


class Execution(Section):
    """Nothing here may change a result beyond rounding, and nothing is tracked.

    `torch_threads`, `torch_threads_of` and `gpus_per_job` do change the last bits.
    """

    torch_threads: Threads = Field(
        1,
        description="CPU threads of a job; another number: the same up to rounding, not byte by byte",
    )
    torch_threads_of: dict[str, Threads] = Field(
        default_factory=_threads_of_the_long_job, description="exceptions by script name"
    )
    gpus_per_job: Annotated[int, Field(ge=0, le=1024)] = Field(
        0,
        description="devices of a training job; other jobs with a model take one; 0: CPU only",
    )
    jobs_per_gpu: Annotated[int, Field(ge=1, le=256)] = Field(
        1,
        description="one-device jobs that may share a device; --resources gpu=N then counts shares",
    )
    checkpoint_seconds: Annotated[float, Field(ge=0, le=MOST_MINUTES * 60)] = Field(
        300.0,
        description="a training job saves where it is this often, to go on after a kill",
    )
    trackers: Annotated[list[Literal["tensorboard", "wandb"]], Distinct] = Field(
        default_factory=list,
        description="what training metrics are shown to as well: tensorboard, wandb",
    )
    preload: bool = Field(
        True, description="start local jobs from a process that has imported torch already"
    )
    mem_mb: Memory = Field(
        4000, description="memory that a cluster job with a model asks for, times the attempt"
    )
    runtime_minutes: Minutes = Field(
        120, description="time limit of a cluster job with a model, times the attempt"
    )
    light_mem_mb: Memory = Field(
        4000, description="of a job without one: data, labels, tables, figures, the report"
    )
    light_runtime_minutes: Minutes = Field(60, description="of a job without one")
