"""The trainable model a run starts from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefgrid import seeding
from prefgrid.models.loading import add_lora, load_stack
from prefgrid.training.options import TrainingOptions


def load_policy(
    folder: Path | str,
    options: TrainingOptions,
    *,
    seed: int,
    adapters: Sequence[Path | str] = (),
) -> Any:
    """The model in `folder`, with the `adapters` of earlier iterations on it (`load_stack`), made
    trainable, on the CPU.

    With LoRA the frozen weights have the precision's dtype and the new adapter is float32; with it
    off the policy is its reference. A full fine-tune keeps float32 weights (an AdamW step would
    round away in bfloat16) and computes in the precision by autocast.
    """
    if options.lora is None:
        return load_stack(folder, adapters)
    model = load_stack(folder, adapters, options.precision)
    return add_lora(model, **options.lora, seed=seeding.torch_seed(seed, "lora_init"))
