"""Held-out pairs: whose log-probabilities they have, and the calibration of the index on them."""

from pathlib import Path

import made_up
import numpy as np
import pandas as pd
import pytest
import torch
from tiny_decoders import lora_policy
from tiny_policy import tiny_model

from prefgrid import links
from prefgrid.evaluation.held_out import HeldOutPairs, held_out_pairs
from prefgrid.evaluation.indices import held_out_indices
from prefgrid.files import reading, store
from prefgrid.logprobs.sequence import sequence_logps
from prefgrid.logprobs.table import logp_frame
from prefgrid.models import loading

FIRST, SECOND = "b" * 16, "a" * 16
PROMPT_TOKENS = {FIRST: [7, 8, 9], SECOND: [10]}
LINK = {"sign": 1, "index_nats": [-1.0, 0.0, 3.0], "probability": [0.2, 0.5, 0.8]}
TRUTH = {"shift": 4.0, "temperature": 0.25}
BATCHES = {"pad_id": 0, "batch_size": 8}


def group(number: int, prompt_id: str, tokens: list[int], responses: list[dict]) -> dict:
    prompt = {"group": number, "prompt_id": prompt_id, "prompt_tokens": tokens}
    return {**prompt, "responses": responses}


def reference_samples() -> list[dict]:
    """Scored groups of five, numbered 3 and 4."""
    draw = np.random.default_rng(0)
    return [
        group(
            number,
            prompt_id,
            PROMPT_TOKENS[prompt_id],
            [
                {
                    "reward": float(draw.normal()),
                    "tokens": draw.integers(2, 50, draw.integers(1, 6)).tolist(),
                }
                for _ in range(5)
            ],
        )
        for number, prompt_id in enumerate((FIRST, SECOND), start=3)
    ]


def held_out() -> HeldOutPairs:
    return held_out_pairs(reference_samples(), 2)


def table(pairs: HeldOutPairs) -> tuple[torch.Tensor, pd.DataFrame]:
    """(logp_sums, their table) of the bare reference."""
    logp_sums, lengths = pairs.logps(tiny_model(), **BATCHES)
    return logp_sums, logp_frame(pairs.groups, logp_sums, lengths)


def indices(**changes) -> pd.DataFrame:
    """Of a policy whose base, and so its reference, is `tiny_model()`."""
    settings = {"reward_scale": 0.5, "link": LINK, "truth": TRUTH}
    pairs = held_out()
    policy, reference = (
        pairs.logps(model, **BATCHES)[0] for model in (lora_policy(), tiny_model())
    )
    return held_out_indices(pairs, policy, reference, **{**settings, **changes})


def test_held_out_indices_are_those_of_neighbouring_reference_samples():
    model, samples, frame = lora_policy(), reference_samples(), indices()
    assert frame["prompt_id"].tolist() == [FIRST, FIRST, SECOND, SECOND]

    def log_ratio(row: dict, tokens: list[int]) -> float:
        arguments = ([row["prompt_tokens"]], [[tokens]])
        with torch.no_grad():
            policy, _ = sequence_logps(model, *arguments, pad_id=0)
            with model.disable_adapter():
                reference, _ = sequence_logps(model, *arguments, pad_id=0)
        return (policy - reference).item()

    # Of each prompt's five: (0, 1) and (2, 3).
    for row, (number, first) in zip(
        frame.to_dict("records"), [(0, 0), (0, 2), (1, 0), (1, 2)], strict=True
    ):
        own = samples[number]
        left, right = own["responses"][first : first + 2]
        t = log_ratio(own, right["tokens"]) - log_ratio(own, left["tokens"])
        assert row["index_nats"] == pytest.approx(t, abs=1e-4)
        u = (right["reward"] - left["reward"]) * 0.5
        assert row["utility_diff"] == pytest.approx(u)
        assert row["true_probability"] == pytest.approx(links.mixture(np.array(u), 4.0, 0.25))
        # Linear between (−1, .2), (0, .5), (3, .8): slopes .3 and .1, constant outside.
        expected = 0.5 + (0.3 if t < 0 else 0.1) * np.clip(t, -1, 3)
        assert row["link_probability"] == pytest.approx(expected, abs=1e-4)


def test_the_table_shows_the_evaluated_policys_index():
    """ζ = −1 turns the index around; the link was learned on the unsigned one and stays."""
    plain, turned = indices(), indices(link=LINK | {"sign": -1})
    assert turned["index_nats"].tolist() == (-plain["index_nats"]).tolist()
    assert plain["index_nats"].abs().min() > 0
    rest = ["prompt_id", "utility_diff", "link_probability", "true_probability"]
    pd.testing.assert_frame_equal(turned[rest], plain[rest])


def test_without_a_link_there_is_no_link_probability():
    """`probability` null in link.json: NaN in that column, nothing else changes."""
    plain, bare = indices(), indices(link=LINK | {"probability": None})
    assert bare["link_probability"].isna().all()
    rest = plain.columns.drop("link_probability")
    pd.testing.assert_frame_equal(bare[rest], plain[rest])


def test_without_a_truth_there_is_no_true_probability():
    """Preferences of people, say: NaN in that column, nothing else changes."""
    plain, bare = indices(), indices(truth=None)
    assert bare["true_probability"].isna().all() and plain["true_probability"].notna().all()
    rest = plain.columns.drop("true_probability")
    pd.testing.assert_frame_equal(bare[rest], plain[rest])


def test_pairs_are_the_first_samples_of_every_group():
    """Group numbers, prompts and rewards stay with their tokens; the fifth sample is in no pair."""
    pairs, samples = held_out(), reference_samples()
    assert (pairs.groups, pairs.prompt_ids) == ([3, 4], [FIRST, SECOND])
    assert pairs.prompts == [PROMPT_TOKENS[FIRST], PROMPT_TOKENS[SECOND]]
    first = [row["responses"][:4] for row in samples]
    assert pairs.responses == [[one["tokens"] for one in row] for row in first]
    assert pairs.rewards.tolist() == [[one["reward"] for one in row] for row in first]


def test_too_few_samples_and_a_disordered_link_are_refused():
    with pytest.raises(ValueError, match="prompt b+: 3 pairs need 6 samples, found 5"):
        held_out_pairs(reference_samples(), 3)
    with pytest.raises(ValueError, match="must be increasing"):
        indices(link={"index_nats": [0.0, 0.0], "probability": [0.5, 0.5]})


@pytest.mark.parametrize("precision", ["none", "bf16"])
def test_the_bare_reference_has_the_bits_of_a_policy_with_its_adapter_off(
    precision: str, tmp_path: Path
):
    """So a table made once may stand for every policy's own base, in half precision too."""
    tiny_model().save_pretrained(tmp_path / "reference")
    loading.write_manifest(tmp_path / "reference")
    loading.save_adapter(tmp_path / "policy", lora_policy())
    bare, base = (loading.load_causal_lm(tmp_path / "reference", precision) for _ in range(2))
    policy = loading.load_adapter(base, tmp_path / "policy").eval()
    draw = np.random.default_rng(1)
    samples = [
        group(
            k,
            f"{k:016x}",
            draw.integers(2, 50, 1 + 3 * k).tolist(),
            [{"reward": 0.0, "tokens": tokens} for tokens in draw.integers(2, 50, (4, 9)).tolist()],
        )
        for k in range(7)
    ]
    pairs = held_out_pairs(samples, 2)
    for batch_size in (3, 7):
        arguments = {"pad_id": 0, "batch_size": batch_size}
        expected, _ = pairs.logps(bare, **arguments)
        with policy.disable_adapter():
            assert torch.equal(pairs.logps(policy, **arguments)[0], expected)
        assert (pairs.logps(policy, **arguments)[0] - expected).abs().min() > 1e-3


def test_log_probabilities_are_looked_up_as_they_were_written(tmp_path: Path):
    pairs = held_out()
    logp_sums, frame = table(pairs)
    path = tmp_path / "logps.parquet"
    store.write_parquet(path, frame.sample(frac=1, random_state=0))
    made_up.record(path)
    read = reading.read_table(path)
    assert torch.equal(pairs.looked_up(read), logp_sums)
    for row in frame.to_dict("records"):
        prompt = pairs.groups.index(row["group"])
        assert row["tokens"] == len(pairs.responses[prompt][row["response"]])
        assert row["logp_sum"] == logp_sums[prompt, row["response"]].item()


def test_a_table_of_other_samples_is_refused():
    pairs = held_out()
    _, frame = table(pairs)
    # Row 6 of 2 × 4 is response 2 of the second group, which is number 4.
    longer = frame.assign(tokens=frame["tokens"].where(frame.index != 6, 99))
    with pytest.raises(ValueError, match=r"group 4, response 2 has \d tokens, .* 99 tokens"):
        pairs.looked_up(longer)
    with pytest.raises(ValueError, match="group 3, response 1 has .* no such row"):
        pairs.looked_up(frame.drop(index=1))
