"""IPO, robust and conservative DPO, hinge, hard SPPO and SimPO against TRL's trainers, losses and gradients.

TRL reads its loss, β and ε anew at each evaluation of the loss, so one trainer serves several.
Its `DPOTrainer` has no smoothed labels (`label_smoothing` is left out of the sigmoid loss), but its
`CPOTrainer` has: that is conservative DPO for a reference that gives every response the same
probability.  IPO with sums is not in TRL: it divides by lengths.
"""

import pytest
import torch

from prefgrid.objectives import base

SCHEDULE = base.Schedule(rows=4, steps=4, steps_per_epoch=2, seed=0)
PAIRS = {
    "prompt": ["a cat", "the dog runs", "x", "two words"],
    "chosen": [" sat", " far away", "yz", " more"],
    "rejected": [" slept a lot", " off", "y", " less, much less"],
}
SETTINGS = {
    "per_device_eval_batch_size": 4,
    "bf16": False,
    "use_cpu": True,
    "gradient_checkpointing": False,
    "report_to": "none",
}


def response_logps(model, ids, attended, scored) -> tuple[torch.Tensor, torch.Tensor]:
    """(sums, lengths) of the scored tokens, one unpadded row at a time. Tensors[rows]."""
    sums, lengths = [], []
    for row, here, counts in zip(ids, attended.bool(), scored.bool(), strict=True):
        row, counts = row[here], counts[here]
        logps = model(input_ids=row[None]).logits[0].float()[:-1].log_softmax(-1)
        token_logps = logps.gather(1, row[1:, None])[:, 0]
        sums.append(token_logps[counts[1:]].sum())
        lengths.append(counts.sum())
    return torch.stack(sums), torch.stack(lengths)


def batch_of(ratios, sums, lengths) -> base.Batch:
    """From chosen rows, then rejected rows: chosen placed alternately first and second."""
    labels = (torch.arange(len(sums) // 2) % 2).float()

    def placed(values):
        chosen, rejected = values.chunk(2)
        second = torch.where(labels == 1, chosen, rejected)
        return torch.stack([torch.where(labels == 1, rejected, chosen), second], dim=1)

    rows = torch.arange(len(labels))
    return base.Batch(rows, placed(ratios), placed(sums), placed(lengths), labels)


def gradient_of(model, loss) -> torch.Tensor:
    """dL/dweights as one vector."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.cat([slope.flatten() for slope in torch.autograd.grad(loss, weights)])


def assert_same(model, objective, batch, expected_loss):
    loss = objective.loss(batch)
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-5, abs=1e-5)
    ours, theirs = gradient_of(model, loss), gradient_of(model, expected_loss)
    assert theirs.norm() > 0.1, "the loss is flat here: the test would see nothing"
    assert (ours - theirs).norm() < 1e-4 * theirs.norm()


@pytest.fixture(scope="module")
def dpo_trainer(tiny_qwen3, tiny_tokenizer, tmp_path_factory):
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    pairs = Dataset.from_dict(PAIRS)
    folder = str(tmp_path_factory.mktemp("dpo"))
    return DPOTrainer(
        model=tiny_qwen3(1),
        ref_model=tiny_qwen3(2),
        args=DPOConfig(output_dir=folder, **SETTINGS),
        train_dataset=pairs,
        eval_dataset=pairs,
        processing_class=tiny_tokenizer,
    )


@pytest.fixture(scope="module")
def dpo_batch(dpo_trainer):
    (batch,) = dpo_trainer.get_eval_dataloader()
    return batch


@pytest.mark.parametrize(
    ("name", "options", "loss_type", "beta", "smoothing"),
    [
        ("ipo", {"beta_train": 0.3, "reduction": "token_mean"}, "ipo", 0.3, 0.0),
        ("robust_dpo", {"beta_train": 0.3, "flip_rate": 0.2}, "robust", 0.3, 0.2),
        ("hinge", {"beta_train": 0.01}, "hinge", 0.01, 0.0),
        ("sppo_hard", {"eta": 20.0, "scale": "native"}, "sppo_hard", 0.05, 0.0),
    ],
)
def test_losses_and_gradients_equal_those_of_trl(
    dpo_trainer, dpo_batch, name, options, loss_type, beta, smoothing
):
    dpo_trainer.loss_types = [loss_type]
    dpo_trainer.beta, dpo_trainer.label_smoothing = beta, smoothing
    expected = dpo_trainer.compute_loss(dpo_trainer.model, dpo_batch)

    fields = [dpo_batch[key] for key in ("input_ids", "attention_mask", "completion_mask")]
    sums, lengths = response_logps(dpo_trainer.model, *fields)
    with torch.no_grad():
        reference, _ = response_logps(dpo_trainer.ref_model, *fields)
    batch = batch_of(sums - reference, sums, lengths)
    assert batch.index.std() > 1.0, "the models are too alike for the test to see anything"
    assert lengths.unique().numel() > 2, "lengths must differ"
    assert_same(dpo_trainer.model, base.create(name, options, SCHEDULE), batch, expected)


@pytest.fixture(scope="module")
def cpo_trainer(tiny_qwen3, tiny_tokenizer, tmp_path_factory):
    from datasets import Dataset
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    pairs = Dataset.from_dict(PAIRS)
    folder = str(tmp_path_factory.mktemp("cpo"))
    return CPOTrainer(
        model=tiny_qwen3(1),
        args=CPOConfig(output_dir=folder, cpo_alpha=0.0, **SETTINGS),
        train_dataset=pairs,
        eval_dataset=pairs,
        processing_class=tiny_tokenizer,
    )


@pytest.mark.parametrize(
    ("name", "options", "loss_type", "beta", "smoothing"),
    [
        ("cdpo", {"beta_train": 0.05, "flip_rate": 0.2}, "sigmoid", 0.05, 0.2),
        ("simpo", {"beta_train": 0.4, "gamma": 0.9}, "simpo", 0.4, 0.0),
    ],
)
def test_losses_without_a_reference_equal_those_of_trl(
    cpo_trainer, name, options, loss_type, beta, smoothing
):
    cpo_trainer.loss_type = loss_type
    cpo_trainer.beta, cpo_trainer.label_smoothing = beta, smoothing
    cpo_trainer.simpo_gamma = 0.9  # kept by the constructor only for loss_type simpo
    (tokens,) = cpo_trainer.get_eval_dataloader()
    expected = cpo_trainer.compute_loss(cpo_trainer.model, tokens)

    parts = [
        response_logps(
            cpo_trainer.model,
            tokens[f"{which}_input_ids"],
            tokens[f"{which}_attention_mask"],
            tokens[f"{which}_labels"] != -100,
        )
        for which in ("chosen", "rejected")
    ]
    sums, lengths = (torch.cat(values) for values in zip(*parts, strict=True))
    # SimPO must not look at the log-ratios; the others see them with a constant reference.
    ratios = torch.full_like(sums, torch.nan) if name == "simpo" else sums + 5.0
    assert lengths.unique().numel() > 2, "lengths must differ"
    batch = batch_of(ratios, sums, lengths)
    assert_same(cpo_trainer.model, base.create(name, options, SCHEDULE), batch, expected)
