"""The DPO loss against TRL's trainer and against torchtune's numeric case."""

import pytest
import torch

from prefgrid.objectives import base, dpo

SCHEDULE = base.Schedule(rows=8, steps=4, steps_per_epoch=2, seed=0)


def batch_of(chosen_ratio: torch.Tensor, rejected_ratio: torch.Tensor) -> base.Batch:
    """Chosen responses placed alternately first and second, with the labels that say so."""
    labels = (torch.arange(len(chosen_ratio)) % 2).float()
    second = torch.where(labels == 1, chosen_ratio, rejected_ratio)
    first = torch.where(labels == 1, rejected_ratio, chosen_ratio)
    ratios = torch.stack([first, second], dim=1)
    return base.Batch(torch.arange(len(labels)), ratios, ratios, torch.ones_like(ratios), labels)


def test_torchtune_case():
    """tests/torchtune/rlhf/loss/test_dpo_loss.py: β = 0.1, expected −log σ(0, 1, 2).

    chosen − reference:   −.5+.5 = 0,  −10+10.1 = .1,  −1+.1 = −.9
    rejected − reference: −.1+.1 = 0,  −30+20.1 = −9.9,  −21+.1 = −20.9
    difference: 0, 10, 20; times β: 0, 1, 2.
    """
    chosen = torch.tensor([-0.5, -10.0, -1.0]) - torch.tensor([-0.5, -10.1, -0.1])
    rejected = torch.tensor([-0.1, -30.0, -21.0]) - torch.tensor([-0.1, -20.1, -0.1])
    objective = dpo.Objective({"beta_train": 0.1}, SCHEDULE)
    expected = -torch.nn.functional.logsigmoid(torch.tensor([0.0, 1.0, 2.0]))
    for row in range(3):
        loss = objective.loss(batch_of(chosen[row : row + 1], rejected[row : row + 1]))
        torch.testing.assert_close(loss, expected[row], rtol=1e-6, atol=1e-6)
    loss = objective.loss(batch_of(chosen, rejected))
    torch.testing.assert_close(loss, expected.mean(), rtol=1e-6, atol=1e-6)


def response_logps(model, batch: dict) -> torch.Tensor:
    """Sum of response log-probabilities of each row of a TRL batch, one unpadded row at a time."""
    sums = []
    for ids, attended, scored in zip(
        batch["input_ids"], batch["attention_mask"], batch["completion_mask"], strict=True
    ):
        ids, scored = ids[attended.bool()], scored[attended.bool()].bool()
        logits = model(input_ids=ids[None]).logits[0].float()
        token_logps = logits[:-1].log_softmax(-1).gather(1, ids[1:, None])[:, 0]
        sums.append(token_logps[scored[1:]].sum())
    return torch.stack(sums)


def test_loss_equals_trl(tiny_qwen3, tiny_tokenizer, tmp_path):
    """`DPOTrainer.evaluate()["eval_loss"]` on one batch of four pairs, β = 0.3."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    pairs = Dataset.from_dict(
        {
            "prompt": ["a cat", "the dog runs", "x", "two words"],
            "chosen": [" sat", " far away", "yz", " more"],
            "rejected": [" slept a lot", " off", "y", " less, much less"],
        }
    )
    policy, reference = tiny_qwen3(1), tiny_qwen3(2)
    trainer = DPOTrainer(
        model=policy,
        ref_model=reference,
        args=DPOConfig(
            output_dir=str(tmp_path),
            beta=0.3,
            loss_type=["sigmoid"],
            per_device_eval_batch_size=4,
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            report_to="none",
        ),
        train_dataset=pairs,
        eval_dataset=pairs,
        processing_class=tiny_tokenizer,
    )
    expected = trainer.evaluate()["eval_loss"]

    (batch,) = trainer.get_eval_dataloader()
    with torch.no_grad():
        ratios = response_logps(policy, batch) - response_logps(reference, batch)
    chosen, rejected = ratios.chunk(2)
    loss = dpo.Objective({"beta_train": 0.3}, SCHEDULE).loss(batch_of(chosen, rejected))
    assert (chosen - rejected).std() > 1.0, "the models are too alike for the test to see anything"
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-5)
