"""What a run says in its log in the published program's shape.

Oracles: the run's own tables, written without it; the published program's printed predictions.
"""

import copy
import json
import re

import pytest
import torch
from tiny_policy import LORA, tiny_model, tiny_tokenizer

from prefgrid.files import store
from prefgrid.models.loading import add_lora
from prefgrid.run import execution
from prefgrid.sampling.request import DecodingOptions
from prefgrid.studies.soft_policy import transcript
from prefgrid.studies.soft_policy.numbers import Numbers
from prefgrid.studies.soft_policy.run import Run
from prefgrid.studies.soft_policy.setting import Setting
from prefgrid.studies.soft_policy.task import NumberTask
from prefgrid.studies.soft_policy.transcript import Teller, Transcript
from prefgrid.training.options import TrainingOptions

EPOCHS, UPDATES, SHOWN = 3, 20, 4
TABLES = ("evaluations", "values", "steps", "answers", "samples")


@pytest.fixture(autouse=True)
def ten_updates_a_line(monkeypatch):
    assert transcript.UPDATES_A_LINE == 100
    monkeypatch.setattr(transcript, "UPDATES_A_LINE", 10)


@pytest.fixture
def lines(monkeypatch):
    """What the runs log."""
    logged = []
    monkeypatch.setattr(store, "log", logged.append)
    return logged


def made(teller, *, value="published", lora=None, tasks=1, **drawing) -> Run:
    """A run of the byte-level tiny model, which writes nonsense, on 1 to 20."""
    tokenizer = tiny_tokenizer()
    model = tiny_model(vocab_size=258, eos_token_id=257, pad_token_id=256, num_hidden_layers=1)
    setting = Setting(
        objective="prefgrid.objectives.softpo",
        objective_options={"loss": "published_squared", "value": "given", "beta": 0.01},
        options=TrainingOptions(
            epochs=None,
            max_steps=1,
            batch_size=1,
            micro_batch_size=1,
            learning_rate=1e-3,
            lora=lora,
        ),
        beta=0.01,
        drawing={
            "epochs": EPOCHS,
            "samples": UPDATES,
            "group_size": 1,
            "refresh_steps": UPDATES,
            "mix": {"uniform": 1.0},
            "replay": 8,
            "value": value,
            "value_samples": 16,
            "keep_best": False,
            "patience": None,
            **drawing,
        },
        trained=tasks,
        decoding=DecodingOptions(eos_ids=(257,), pad_id=256, max_new_tokens=6),
        final_samples=SHOWN,
        measure_seconds=False,
    )
    targets = [NumberTask(target=target, lo=1, hi=20) for target in range(1, tasks + 1)]
    numbers = Numbers(targets, tokenizer, "raw", named=tasks > 1)
    reference = copy.deepcopy(model).requires_grad_(False) if lora is None else None
    policy = model if lora is None else add_lora(model, **lora, seed=1)
    return Run(setting, numbers, policy, reference, 0, teller)


def trained(tmp_path, teller, work=None, **changes):
    run = made(teller, **changes)
    return run.train(work=work, failure_path=tmp_path / "failed.json", metrics_path=None)


NUMBER = r"(-?\d+\.\d{4})"
SAMPLE = rf" +\d+: '.*', reward {NUMBER}"
UPDATE = rf"update (\d+): Q0 {NUMBER}, cumulative advantage {NUMBER}, Q_terminal {NUMBER}, reward {NUMBER}"


def epoch(number: int) -> list[str]:
    """Patterns of an epoch's lines."""
    first = ["first responses that it is trained on:", *[SAMPLE] * 5] if number == 1 else []
    return [
        rf"epoch {number} of {EPOCHS}: Q0 {NUMBER} \(published, 16 samples, ([\d.]+)% of them a success\)",
        r"warning: that is no estimate but the fallback -0.5, as fewer than 1% are a success; exactly "
        rf"it is {NUMBER}",
        *first,
        *[UPDATE] * (UPDATES // 10),
        rf"epoch {number} of {EPOCHS}: average loss {NUMBER} of {UPDATES} updates, average reward {NUMBER} "
        "of what it was trained on",
        r"predictions: \[(?:.*, ){4}.*\]",
        r"(?:new best|no improvement \([123] of 3\)): .*",
    ]


SHAPE = [
    rf"{SHOWN} samples before training:",
    *[SAMPLE] * SHOWN,
    *[pattern for number in range(1, EPOCHS + 1) for pattern in epoch(number)],
    rf"{SHOWN} samples after training:",
    *[SAMPLE] * SHOWN,
]


def matches(lines: list[str], shape: list[str]) -> list[re.Match]:
    """Of each pattern the first line behind the last pattern's that it is the whole of."""
    found, rest = [], iter(lines)
    for pattern in shape:
        match = next((one for line in rest if (one := re.fullmatch(pattern, line))), None)
        assert match, f"no line {pattern} after {found[-1].group() if found else 'the first'}"
        found.append(match)
    return found


def test_the_lines_come_in_the_published_order_with_the_run_s_numbers(tmp_path, lines):
    """And there are no others of theirs: what a run says without a transcript is taken out first."""
    outcome = trained(tmp_path, Transcript)
    told = list(lines)
    del lines[:]
    trained(tmp_path, Teller)
    own = [line for line in told if line not in lines]
    found = matches(own, SHAPE)
    assert len(found) == len(own)

    samples = [one for one in found if re.match(r" +\d+:", one.group())]
    shown = samples[:SHOWN] + samples[-SHOWN:]
    assert [one.group(1) for one in shown] == [f"{row['score']:.4f}" for row in outcome.samples]
    for row, one in zip(outcome.samples, shown, strict=True):
        assert f": {row['text']!r}, " in one.group()

    # The last predictions are draws of their own, not those that end the log.
    last = [one for one in found if one.group().startswith("predictions")][-1].group()
    assert any(repr(row["text"]) not in last for row in outcome.samples[SHOWN:])

    losses = [row["loss"] for row in outcome.steps]
    updates = [one for one in found if one.re.pattern == UPDATE]
    assert [int(one.group(1)) for one in updates] == list(range(10, EPOCHS * UPDATES + 1, 10))
    for one in updates:
        step, value, advantage, terminal, reward = map(float, one.groups())
        assert terminal == pytest.approx(value + advantage, abs=1.5e-4) and value == -0.5
        assert losses[int(step) - 1] == pytest.approx((terminal - reward) ** 2, abs=5e-4)

    summaries = [one for one in found if "average loss" in one.group()]
    for number, one in enumerate(summaries):
        mean = sum(losses[number * UPDATES : (number + 1) * UPDATES]) / UPDATES
        assert float(one.group(1)) == pytest.approx(mean, abs=5.1e-5)
        # Each of the 20 answers once: rewards 0 to −1 in steps of 1/19.
        assert one.group(2) == "-0.5000"


@pytest.mark.parametrize("lora", [None, {**LORA, "dropout": 0.3}], ids=["full", "adapter"])
def test_a_transcript_changes_no_bit(tmp_path, lines, lora):
    """With dropout as well, whose random numbers a sampled line could use up. All tables, too."""
    one = trained(tmp_path, Transcript, lora=lora)
    two = trained(tmp_path, Teller, lora=lora)
    assert one.weights.keys() == two.weights.keys()
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in one.weights)
    for name in TABLES:
        assert repr(getattr(one, name)) == repr(getattr(two, name))


def test_a_run_that_is_stopped_goes_on_with_its_transcript(tmp_path, lines, monkeypatch):
    """It ends with the same bits, and the lines of its last epochs are those of a run that was not."""

    class Killed(BaseException):
        pass

    class Dying(Transcript):
        def looked(self, step, draw):
            if step == 2 * UPDATES:
                raise Killed
            super().looked(step, draw)

    quiet = trained(tmp_path, Transcript)
    whole = [line for line in lines if line.startswith("update") or "samples after" in line]
    monkeypatch.setenv(execution.VARIABLE, json.dumps({"checkpoint_seconds": 0}))
    (tmp_path / "work").mkdir()
    with pytest.raises(Killed):
        trained(tmp_path, Dying, tmp_path / "work")
    del lines[:]
    resumed = trained(tmp_path, Transcript, tmp_path / "work")
    assert all(torch.equal(quiet.weights[name], resumed.weights[name]) for name in quiet.weights)
    told = [line for line in lines if line.startswith("update") or "samples after" in line]
    # The last step before was not in the checkpoint.
    assert told == whole[3:]
    [summary] = [line for line in lines if "epoch 2" in line and "average loss" in line]
    assert " of 1 updates" in summary


def test_an_exact_value_and_several_targets(tmp_path, lines):
    """An exact Q̂0 has no samples and no warning; of two targets all lines are of the first."""
    outcome = trained(tmp_path, Transcript, value="exact", tasks=2)
    value = next(row["value"] for row in outcome.values if row["target"] == 1)
    assert f"epoch 1 of 3: Q0 {value:.4f} (exact)" in lines
    assert not any(line.startswith("warning") for line in lines)
    assert len([line for line in lines if re.fullmatch(SAMPLE, line)]) == 2 * SHOWN + 5


def test_the_measure_of_early_stopping_takes_any_first_integer(lines):
    """The published predictions of its first epoch, whose mean is printed as 4645705."""
    told = made(Transcript).teller
    texts = ["25", "23222525", "521", "235", "5221"]
    assert told.distance(texts) == pytest.approx(4645705.4 - 1)
    assert told.distance(["2", "1", "2", "2", "2"]) == pytest.approx(0.8)
    assert told.distance(["a 12 b 7", "", "-3"]) == pytest.approx(6.5)
    assert told.distance(["", "none"]) == float("inf")


def test_three_looks_without_an_improvement_end_the_published_run_and_not_ours(lines):
    run = made(Transcript)
    for number, text in enumerate(["5", "5", "", "9", "2"]):
        run.teller.losses, run.teller.rewards = [0.0], [0.0]
        row = {"target": 1, "text": text}
        run.teller.looked((number + 1) * UPDATES, lambda *_, row=row: [row])
    verdicts = [line for line in lines if line.startswith(("new best", "no improvement"))]
    assert [line.partition(":")[0] for line in verdicts] == [
        "new best",
        "no improvement (1 of 3)",
        "no improvement (2 of 3)",
        "no improvement (3 of 3)",
        "new best",
    ]
    assert "no prediction has an integer" in verdicts[2]
    stops = ["the published program stops here" in line for line in verdicts]
    assert stops == [False, False, False, True, False]
