"""The β scan's tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny_decoders import lora_policy
from tiny_policy import tiny_tokenizer

from prefgrid import chat
from prefgrid.evaluation.beta_scan import scan, summarize
from prefgrid.evaluation.noise import evaluation_uniforms
from prefgrid.sampling.mixed import sample_mixed
from prefgrid.sampling.request import DecodingOptions
from prefgrid.sampling.transformers_backend import sample_responses

# As published, in the published order.
LABELS = (
    "model_id",
    "ref_model_id",
    "reward_model_id",
    "method",
    "seed",
    "link_shift",
    "link_temperature",
    "num_preferences",
)

PROMPTS = [{"prompt_id": f"id{number}", "prompt": "abc"[: number + 1]} for number in range(3)]
PROMPT_IDS = [row["prompt_id"] for row in PROMPTS]
BETAS = [0.5, 1.0, np.inf]
PUBLISHED = ["beta", "avg_reward", "kl_div"]


class LengthJudge:
    """The reward is the number of characters of prompt and response; remembers what it saw."""

    def __init__(self):
        self.pairs = []

    def score(self, prompts, responses):
        self.pairs += zip(prompts, responses, strict=True)
        lengths = [len(p) + len(r) for p, r in zip(prompts, responses, strict=True)]
        return np.array(lengths, dtype=np.float32)


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer):
    return lora_policy(vocab_size=len(tokenizer))


def run_scan(model, tokenizer, judge=None, **changes):
    settings = {
        "betas": BETAS,
        "samples": 2,
        "sign": 1,
        "seed": 5,
        "prompt_format": "raw",
        "options": options(tokenizer),
    }
    return scan(model, tokenizer, judge or LengthJudge(), PROMPTS, **{**settings, **changes})


def options(tokenizer) -> DecodingOptions:
    ends = (tokenizer.eos_token_id, *range(12))
    return DecodingOptions(ends, tokenizer.pad_token_id, max_new_tokens=8, batch_rows=100)


def test_one_row_per_beta_prompt_and_sample(model, tokenizer):
    frame = run_scan(model, tokenizer)
    assert list(frame.columns) == [
        "beta", "prompt_id", "sample", "reward", "kl_nats", "kl_sample_nats",
        "length_tokens", "finish", "response",
    ]  # fmt: skip
    assert frame[["beta", "prompt_id", "sample"]].to_numpy().tolist() == [
        [beta, row["prompt_id"], sample] for beta in BETAS for row in PROMPTS for sample in (0, 1)
    ]
    assert set(frame["finish"]) == {"stop", "length"}
    prompt_of = {row["prompt_id"]: row["prompt"] for row in PROMPTS}
    expected = [
        len(prompt_of[prompt_id]) + len(response)
        for prompt_id, response in zip(frame["prompt_id"], frame["response"], strict=True)
    ]
    assert frame["reward"].tolist() == expected
    assert (frame.loc[frame["beta"] == np.inf, "kl_nats"] == 0).all()


def test_beta_one_is_the_policy_sampled_with_noise_keyed_by_prompt_and_sample(model, tokenizer):
    frame = run_scan(model, tokenizer)
    expected = sample_responses(
        model,
        [chat.render_prompt(tokenizer, row["prompt"], "raw") for row in PROMPTS],
        evaluation_uniforms(5, PROMPT_IDS, 2, 8),
        options(tokenizer),
    )
    at_one = frame[frame["beta"] == 1]
    assert at_one["response"].tolist() == [
        chat.decode_response(tokenizer, response.said) for response in expected
    ]
    assert at_one["length_tokens"].tolist() == [len(response.tokens) for response in expected]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_reference_samples_are_the_scan_at_weight_zero_token_for_token(
    model, tokenizer, temperature
):
    """Sample k of the reference has the scan's uniforms, however many samples are drawn."""
    prompts = [chat.render_prompt(tokenizer, row["prompt"], "raw") for row in PROMPTS]
    settings = replace(options(tokenizer), temperature=temperature)
    mixed = sample_mixed(model, prompts, evaluation_uniforms(5, PROMPT_IDS, 2, 8), [0.0], settings)
    with model.disable_adapter():
        plain = sample_responses(model, prompts, evaluation_uniforms(5, PROMPT_IDS, 7, 8), settings)
    shared = [plain[7 * prompt + sample] for prompt in range(3) for sample in (0, 1)]
    assert [row.response for row in mixed] == shared
    assert len({tuple(response.tokens) for response in plain}) > 10


def test_the_mixing_weight_is_sign_over_beta(model, tokenizer):
    # ζ = −1 at β = ½ is weight −2: ℓ_ref − 2 (ℓ_θ − ℓ_ref).
    frame = run_scan(model, tokenizer, sign=-1, betas=[0.5])
    expected = sample_mixed(
        model,
        [chat.render_prompt(tokenizer, row["prompt"], "raw") for row in PROMPTS],
        evaluation_uniforms(5, PROMPT_IDS, 2, 8),
        [-2.0],
        options(tokenizer),
    )
    assert frame["kl_nats"].tolist() == [row.kl_nats for row in expected]
    assert frame["kl_sample_nats"].tolist() == [row.kl_sample_nats for row in expected]


def test_each_different_response_is_judged_once(model, tokenizer):
    judge = LengthJudge()
    frame = run_scan(model, tokenizer, judge, betas=[1.0, 1e6, np.inf])
    assert len(judge.pairs) == len(set(judge.pairs)) < len(frame)
    far, reference = (frame[frame["beta"] == beta]["response"].tolist() for beta in (1e6, np.inf))
    assert far == reference


def test_bad_betas_and_signs_are_refused(model, tokenizer):
    for beta in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match=r"must be > 0"):
            run_scan(model, tokenizer, betas=[1.0, beta])
    with pytest.raises(ValueError, match="sign 0: must be 1 or -1"):
        run_scan(model, tokenizer, sign=0)


def test_summary_averages_a_prompts_samples_before_its_standard_error():
    samples = pd.DataFrame(
        {
            "beta": 0.5,
            "prompt_id": ["a", "a", "b", "b"],
            "reward": np.array([1, 3, 5, 7], dtype=np.float32),
            "kl_nats": np.array([0, 2, 2, 0], dtype=np.float32),
            "kl_sample_nats": np.array([-1, 1, 4, 4], dtype=np.float32),
            "length_tokens": [1, 2, 3, 4],
            "finish": ["stop", "stop", "stop", "length"],
        }
    )
    labels = dict.fromkeys(LABELS, "x")
    [row] = summarize(samples, labels).to_dict("records")
    assert list(row) == [
        *LABELS, *PUBLISHED, "reward_se", "kl_se", "kl_sample", "kl_sample_se",
        "mean_length", "truncated_share", "prompts",
    ]  # fmt: skip
    # Prompt means: reward 2 and 6 → mean 4, sd √8, se √8/√2 = 2. KL 1 and 1 → se 0.
    # Sample KL 0 and 4 → mean 2, se 2. One of four responses reached the limit.
    numbers = {name: value for name, value in row.items() if name not in LABELS}
    assert numbers == pytest.approx(
        {
            "beta": 0.5,
            "avg_reward": 4,
            "kl_div": 1,
            "reward_se": 2,
            "kl_se": 0,
            "kl_sample": 2,
            "kl_sample_se": 2,
            "mean_length": 2.5,
            "truncated_share": 0.25,
            "prompts": 2,
        }  # fmt: skip
    )
    assert summarize(samples[:2], labels)["reward_se"].isna().all()
    own = {"round": 3, "method": "dpo"}
    [row] = summarize(samples, own).to_dict("records")
    assert list(row)[:3] == ["round", "method", "beta"] and own.items() <= row.items()


def test_summary_keeps_the_scans_order_of_beta(model, tokenizer):
    summary = summarize(run_scan(model, tokenizer), dict.fromkeys(LABELS, 0))
    assert summary["beta"].tolist() == BETAS
    assert (np.diff(summary["kl_div"]) < 0).all()
