"""The trainable model a run starts from."""

from pathlib import Path
from typing import Any

from prefgrid import seeding
from prefgrid.models.loading import add_lora, load_causal_lm
from prefgrid.training.options import TrainingOptions


def load_policy(folder: Path | str, options: TrainingOptions, *, seed: int) -> Any:
    """The model in `folder` made trainable, on the CPU.

    With LoRA the frozen weights have the precision's dtype and the new adapter is float32. A full
    fine-tune keeps float32 weights (an AdamW step would round away in bfloat16) and computes in
    the precision by autocast.
    """
    if options.lora is None:
        return load_causal_lm(folder)
    model = load_causal_lm(folder, options.precision)
    return add_lora(model, **options.lora, seed=seeding.torch_seed(seed, "lora_init"))
