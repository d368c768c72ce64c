"""TRL's DPOTrainer on the benchmark's model, pairs and adapter, timed step by step."""

import os
from pathlib import Path
from typing import Any

os.environ |= {"TQDM_DISABLE": "1", "TRL_EXPERIMENTAL_SILENCE": "1", "HF_DATASETS_OFFLINE": "1"}

import datasets
import torch
from peft import LoraConfig
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer

from benchmarks.clock import Clock

datasets.disable_progress_bars()


def word_tokenizer(vocabulary: int, pad_id: int, end_id: int) -> PreTrainedTokenizerFast:
    """Token i is the word "i"; words are split at spaces, and the end token stands anywhere."""
    names = {pad_id: "<pad>", end_id: "<end>"}
    words = {names.get(number, str(number)): number for number in range(vocabulary)}
    backend = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="<end>", unk_token="<pad>"
    )


def text(tokens: list[int]) -> str:
    return "".join(f" {token}" for token in tokens)


class _StepEnds(TrainerCallback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_step_end(self, *arguments: Any, **keywords: Any) -> None:
        self.clock.step_ended()


def run(
    model: Any,
    adapter: dict[str, torch.Tensor],
    lora: dict[str, Any],
    groups: list[Any],
    *,
    beta: float,
    steps: int,
    learning_rate: float,
    folder: Path,
    clock: Clock,
    **settings: Any,
) -> list[float]:
    """Losses of `steps` full-batch steps. `settings`: DPOConfig's, where not TRL's defaults.

    The adapter starts from the weights `adapter`, as ours does. The end token that closes every
    response of `groups` is left to TRL, which adds it.
    """
    ids = model.config.vocab_size, model.config.pad_token_id, model.config.eos_token_id
    preferred = [group.responses[int(group.target)] for group in groups]
    other = [group.responses[1 - int(group.target)] for group in groups]
    trainer = DPOTrainer(
        model=model,
        args=DPOConfig(
            output_dir=str(folder),
            beta=beta,
            per_device_train_batch_size=len(groups),
            max_steps=steps,
            learning_rate=learning_rate,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=1.0,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
            **settings,
        ),
        train_dataset=datasets.Dataset.from_dict(
            {
                "prompt": [text(group.prompt_tokens) for group in groups],
                "chosen": [text(response[:-1]) for response in preferred],
                "rejected": [text(response[:-1]) for response in other],
            }
        ),
        processing_class=word_tokenizer(*ids),
        peft_config=LoraConfig(
            r=lora["rank"],
            lora_alpha=lora["alpha"],
            lora_dropout=lora["dropout"],
            target_modules=lora["targets"],
            bias="none",
            task_type="CAUSAL_LM",
        ),
        callbacks=[_StepEnds(clock)],
    )
    trainer.remove_callback(PrinterCallback)
    for row, group, response in zip(trainer.train_dataset, groups, preferred, strict=True):
        assert row["prompt_ids"] == list(group.prompt_tokens) and row["chosen_ids"] == response
    weights = dict(trainer.model.named_parameters())
    with torch.no_grad():
        for name, weight in adapter.items():
            weights[name].copy_(weight)
    clock.start()
    trainer.train()
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]
