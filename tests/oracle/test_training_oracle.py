"""Five steps of our loop beside five steps of TRL's DPOTrainer, on the same token ids."""

import copy

import pytest
import torch

from prefgrid.logprobs.table import dataset_logps
from prefgrid.objectives.base import create
from prefgrid.training.batches import Group
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.step import PolicyForward

BETA = 0.3
STEPS = 5
LEARNING_RATE = 1e-3
PAIRS = {
    "prompt": ["a cat", "the dog runs", "x", "two words", "why", "so it goes"],
    "chosen": [" sat", " far away", "yz", " more", " not? because", "."],
    "rejected": [" slept a lot", " off", "y", " less, much less", "?", " on and on"],
}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def trl_run(policy, reference, tokenizer, folder):
    """Losses, gradient norms and the tokenised pairs of `STEPS` full-batch AdamW steps."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    trainer = DPOTrainer(
        model=policy,
        ref_model=reference,
        args=DPOConfig(
            output_dir=str(folder),
            beta=BETA,
            loss_type=["sigmoid"],
            # Every step sees all pairs, so the order of the data cannot differ.
            per_device_train_batch_size=len(PAIRS["prompt"]),
            max_steps=STEPS,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            warmup_steps=0,
            optim="adamw_torch",
            weight_decay=0.0,
            max_grad_norm=1.0,
            logging_steps=1,
            save_strategy="no",
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            report_to="none",
        ),
        train_dataset=Dataset.from_dict(PAIRS),
        processing_class=tokenizer,
    )
    tokenised = list(trainer.train_dataset)
    trainer.train()
    logs = [row for row in trainer.state.log_history if "loss" in row]
    return logs, tokenised


def test_trajectory_equals_trl(tiny_qwen3, tiny_tokenizer, tmp_path):
    """Full fine-tune from a policy that differs from its reference, clipping on; ours in two
    passes with micro-batches of 4, TRL's in one. Chosen responses stand on either side."""
    start, reference = tiny_qwen3(1), tiny_qwen3(2)
    theirs, ours = copy.deepcopy(start), copy.deepcopy(start)
    logs, tokenised = trl_run(theirs, reference, tiny_tokenizer, tmp_path / "trl")

    groups = []
    for row, pair in enumerate(tokenised):
        responses = [pair["rejected_ids"], pair["chosen_ids"]]
        label = row % 2
        groups.append(
            Group(pair["prompt_ids"], responses if label else responses[::-1], float(label))
        )
    assert all(group.responses[0][-1] == tiny_tokenizer.eos_token_id for group in groups)
    reference_logps, _ = dataset_logps(
        reference,
        [group.prompt_tokens for group in groups],
        [group.responses for group in groups],
        pad_id=tiny_tokenizer.pad_token_id,
        batch_size=6,
    )
    options = TrainingOptions(
        epochs=None,
        max_steps=STEPS,
        batch_size=6,
        micro_batch_size=4,
        learning_rate=LEARNING_RATE,
        final_learning_rate_share=1.0,
        max_grad_norm=1.0,
    )
    result = train(
        PolicyForward(ours, groups, options, tiny_tokenizer.pad_token_id),
        create("dpo", {"beta_train": BETA}, options.schedule(6, seed=0)),
        metrics_path=tmp_path / "metrics.jsonl",
        failure_path=tmp_path / "failure.json",
        reference_logps=reference_logps,
    )
    for name in ("loss", "grad_norm"):
        expected = [row[name] for row in logs]
        assert [row[name] for row in result.metrics] == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert result.metrics[-1]["loss"] < 0.9 * result.metrics[0]["loss"]
    accuracies = [row["rewards/accuracies"] for row in logs]
    assert [row["pair_accuracy"] for row in result.metrics] == pytest.approx(accuracies)
    # TRL's rewards are beta times our log-ratios.
    chosen = [row["rewards/chosen"] / BETA for row in logs]
    assert [row["chosen_log_ratio"] for row in result.metrics] == pytest.approx(chosen, abs=1e-3)
    moved = 0.0
    for (name, weight), other, old in zip(
        ours.named_parameters(), theirs.parameters(), start.parameters(), strict=True
    ):
        torch.testing.assert_close(weight, other, atol=1e-5, rtol=1e-4, msg=name)
        moved = max(moved, (weight - old).abs().max().item())
    assert moved > LEARNING_RATE
