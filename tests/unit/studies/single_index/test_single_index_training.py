"""The vectorised trainer against a plain PyTorch loop, and its invariances."""

import numpy as np
import pytest
import single_index_samples as samples
import torch

from prefgrid.files import store
from prefgrid.objectives import base, dpo
from prefgrid.studies.single_index import training, world

LEARNERS = {
    "dpo": {},
    "rspo": {},
    "pspo": {"warm_start_epochs": 1},
    "ospo": {"warm_start_epochs": 1},
    "ospo_orthogonal": {"warm_start_epochs": 1},
    "ipo": {},
    "robust_dpo": {},
    "cdpo": {},
    "hinge": {},
    "sppo_hard": {},
    "kto_pair": {},
}


def test_dpo_is_a_plain_loop_over_one_network():
    """nn.Linear layers, torch.optim.Adam, −log σ((2z − 1)t): 3 epochs of 4 batches of 16."""
    drawn, labels, _, result = samples.trained()
    for run in range(len(samples.SEEDS)):
        student = samples.module(drawn.student, run)
        optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)
        generator = torch.Generator()
        generator.set_state(drawn.generator_state[run].clone())
        for _ in range(3):
            for rows in torch.randperm(samples.PAIRS, generator=generator).split(16):
                logp = student(drawn.contexts[run][rows]).log_softmax(-1)
                first, second = drawn.actions[run][rows].T
                each = torch.arange(len(rows))
                index = logp[each, second] - logp[each, first]
                loss = -torch.nn.functional.logsigmoid((2 * labels[run][rows] - 1) * index).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        found = samples.module(result.student, run)
        for ours, theirs in zip(found.parameters(), student.parameters(), strict=True):
            # Adam moves a weight by about the learning rate a step, 2e-3.
            torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_seed_is_trained_alike_alone_and_among_others(name):
    _, _, _, among = samples.trained(name, LEARNERS[name])
    _, _, _, alone = samples.trained(name, LEARNERS[name], seeds=samples.SEEDS[1:2])
    torch.testing.assert_close(among.index[1], alone.index[0], atol=2e-5, rtol=0)
    assert alone.index.std() > 0


def test_the_same_seeds_give_the_same_bits():
    first, second = samples.trained("ospo"), samples.trained("ospo")
    assert torch.equal(first[3].index, second[3].index)


def test_objectives_see_epochs_rows_and_final_indices(tmp_path):
    """50 rows in batches of 16: 4 steps an epoch, the last of 2 rows; every row once an epoch."""
    seen, calls = [], []

    class Watching(base.Objective):
        needs, declared = {}, {}

        def loss(self, batch):
            assert batch.lengths.tolist() == [[1, 1]] * len(batch.rows)
            return batch.index.square().mean()

        def wanted_rows(self, step):
            return torch.arange(self.schedule.rows) if step % 4 == 0 else None

        def update(self, step, log_ratios, targets):
            calls.append((step, log_ratios.shape, targets.shape))

        def observe(self, batch):
            assert not batch.log_ratios.requires_grad
            seen.append(batch.rows.tolist())

        def finish(self, log_ratios, targets):
            calls.append(("finish", log_ratios.clone(), targets.clone()))

    drawn = samples.draws((3,))
    labels = world.labels(drawn, 10.0, 0.0, 0.25)
    options = training.Options(epochs=2, batch_size=16, learning_rate=1e-3)
    objective = Watching({}, options.schedule(50, 3))
    assert objective.schedule == base.Schedule(rows=50, steps=8, steps_per_epoch=4, seed=3)
    result = training.train(drawn, labels, [objective], options, tmp_path / "failed.json")
    assert [len(rows) for rows in seen] == [16, 16, 16, 2] * 2
    assert sorted(sum(seen[:4], [])) == sorted(sum(seen[4:], [])) == list(range(50))
    assert seen[:4] != seen[4:]
    assert [call[0] for call in calls] == [0, 4, "finish"] and calls[0][1:] == ((50, 2), (50,))
    assert torch.equal(base.pair_index(calls[-1][1]), result.index[0])
    assert torch.equal(calls[-1][2], labels[0])


def test_the_draws_stay_as_they_were():
    drawn, _, _, result = samples.trained()
    again = samples.draws()
    assert all(torch.equal(drawn.student[k], again.student[k]) for k in again.student)
    assert not torch.equal(result.student["weight_0"], drawn.student["weight_0"])


def test_a_non_finite_loss_names_step_and_seed_and_leaves_its_batch(tmp_path):
    class Broken(dpo.Objective):
        def loss(self, batch):
            return super().loss(batch) * (np.nan if self.schedule.seed == 4 else 1.0)

    drawn = samples.draws()
    labels = world.labels(drawn, 10.0, 0.0, 0.25)
    options = training.Options(epochs=1, batch_size=16, learning_rate=1e-3)
    objectives = [Broken({}, options.schedule(50, seed)) for seed in samples.SEEDS]
    with pytest.raises(FloatingPointError, match="the loss of .* not finite at step 1 of seed 4;"):
        training.train(drawn, labels, objectives, options, tmp_path / "failed.json")
    failed = store.read_json(tmp_path / "failed.json")
    assert failed["step"] == 1 and [batch["seed"] for batch in failed["batches"]] == [4]
    assert len(failed["batches"][0]["rows"]) == 16


def test_weights_that_overflow_in_the_last_step_are_no_result(tmp_path):
    drawn = samples.draws((3,))
    labels = world.labels(drawn, 10.0, 0.0, 0.25)
    options = training.Options(epochs=1, batch_size=50, learning_rate=1e30)
    objective = base.create("dpo", {}, options.schedule(50, 3))
    with pytest.raises(FloatingPointError, match="the final index .* at step 1 of seed 3;"):
        training.train(drawn, labels, [objective], options, tmp_path / "failed.json")
    assert (tmp_path / "failed.json").is_file()
