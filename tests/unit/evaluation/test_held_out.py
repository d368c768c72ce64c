"""Held-out pairs: whose log-probabilities they have, and the calibration of the index on them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_decoders import lora_policy
from tiny_policy import tiny_model

from prefgrid import links
from prefgrid.evaluation.held_out import HeldOutPairs, held_out_pairs
from prefgrid.evaluation.indices import held_out_indices
from prefgrid.files import reading, records, store
from prefgrid.logprobs.sequence import sequence_logps
from prefgrid.models import loading

FIRST, SECOND = "b" * 16, "a" * 16
PROMPT_TOKENS = {FIRST: [7, 8, 9], SECOND: [10]}
LINK = {"sign": 1, "index_nats": [-1.0, 0.0, 3.0], "probability": [0.2, 0.5, 0.8]}
BATCHES = {"pad_id": 0, "batch_size": 8}


def reference_samples() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {
                "prompt_id": prompt_id,
                "sample": sample,
                "reward": float(draw.normal()),
                "tokens": draw.integers(2, 50, draw.integers(1, 6)),
            }
            for prompt_id in (FIRST, SECOND)
            for sample in range(5)
        ]
    )


def held_out() -> HeldOutPairs:
    return held_out_pairs(reference_samples(), PROMPT_TOKENS, 2)


def indices(**changes) -> pd.DataFrame:
    """Of a policy whose base, and so its reference, is `tiny_model()`."""
    settings = {"reward_scale": 0.5, "link": LINK, "link_shift": 4.0, "link_temperature": 0.25}
    pairs = held_out()
    policy, reference = (
        pairs.logps(model, **BATCHES)[0] for model in (lora_policy(), tiny_model())
    )
    return held_out_indices(pairs, policy, reference, **{**settings, **changes})


def test_held_out_indices_are_those_of_neighbouring_reference_samples():
    model, samples, frame = lora_policy(), reference_samples(), indices()
    assert frame["prompt_id"].tolist() == [FIRST, FIRST, SECOND, SECOND]

    def log_ratio(prompt_id: str, tokens: np.ndarray) -> float:
        arguments = ([PROMPT_TOKENS[prompt_id]], [[tokens.tolist()]])
        with torch.no_grad():
            policy, _ = sequence_logps(model, *arguments, pad_id=0)
            with model.disable_adapter():
                reference, _ = sequence_logps(model, *arguments, pad_id=0)
        return (policy - reference).item()

    for row, (first, second) in zip(
        frame.to_dict("records"), [(0, 1), (2, 3), (5, 6), (7, 8)], strict=True
    ):
        left, right = samples.iloc[first], samples.iloc[second]
        t = log_ratio(left["prompt_id"], right["tokens"]) - log_ratio(
            left["prompt_id"], left["tokens"]
        )
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


def test_too_few_samples_and_a_disordered_link_are_refused():
    with pytest.raises(ValueError, match="prompt b+: 3 pairs need samples 0 to 5"):
        held_out_pairs(reference_samples(), PROMPT_TOKENS, 3)
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
    prompts = {f"{k:016x}": draw.integers(2, 50, 1 + 3 * k).tolist() for k in range(7)}
    samples = pd.DataFrame(
        [
            {"prompt_id": prompt_id, "sample": k, "reward": 0.0, "tokens": tokens}
            for prompt_id in prompts
            for k, tokens in enumerate(draw.integers(2, 50, (4, 9)))
        ]
    )
    pairs = held_out_pairs(samples, prompts, 2)
    for batch_size in (3, 7):
        arguments = {"pad_id": 0, "batch_size": batch_size}
        expected, _ = pairs.logps(bare, **arguments)
        with policy.disable_adapter():
            assert torch.equal(pairs.logps(policy, **arguments)[0], expected)
        assert (pairs.logps(policy, **arguments)[0] - expected).abs().min() > 1e-3


def test_log_probabilities_are_looked_up_as_they_were_written(tmp_path: Path):
    pairs = held_out()
    logp_sums, lengths = pairs.logps(tiny_model(), **BATCHES)
    frame = pairs.logp_frame(logp_sums, lengths)
    store.write_parquet(tmp_path / "logps.parquet", frame.sample(frac=1, random_state=0))
    key = ("prompt_id", "sample")
    read = reading.read_parquet(tmp_path / "logps.parquet", records.SampleLogp, key=key)
    assert torch.equal(pairs.looked_up(read), logp_sums)
    for row in frame.to_dict("records"):
        prompt = list(PROMPT_TOKENS).index(row["prompt_id"])
        assert row["tokens"] == len(pairs.responses[prompt][row["sample"]])
        assert row["logp_sum"] == logp_sums[prompt, row["sample"]].item()


def test_a_table_of_other_samples_is_refused():
    pairs = held_out()
    frame = pairs.logp_frame(*pairs.logps(tiny_model(), **BATCHES))
    longer = frame.assign(tokens=frame["tokens"].where(frame.index != 6, 99))
    with pytest.raises(
        ValueError, match=rf"prompt_id {SECOND}, sample 2 has \d tokens, .* 99 tokens"
    ):
        pairs.looked_up(longer)
    with pytest.raises(ValueError, match=rf"prompt_id {FIRST}, sample 1 has .* no such row"):
        pairs.looked_up(frame.drop(index=1))


def test_rows_that_are_not_asked_for_are_not_read(tmp_path):
    path = tmp_path / "samples.parquet"
    store.write_parquet(path, pd.DataFrame({"sample": [0, 1, 2, 3], "reward": [1.0, 2, 3, 4]}))
    found = reading.read_parquet(path, columns=["reward"], where=("sample", "<", 2))
    assert found.to_dict("list") == {"reward": [1.0, 2.0]}
    with pytest.raises(store.DataError, match=r"samples.parquet: holds no rows with sample > 9"):
        reading.read_parquet(path, where=("sample", ">", 9))
    for frame in (pd.DataFrame({"reward": [1.0]}), pd.DataFrame({"sample": ["a"]})):
        store.write_parquet(path, frame)
        with pytest.raises(store.DataError, match="samples.parquet: not a sound parquet file"):
            reading.read_parquet(path, where=("sample", "<", 2))
