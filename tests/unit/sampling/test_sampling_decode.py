"""Plain sampling: batches, several samples a prompt, end tokens, bad input."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_decoders import EOS_IDS, decoding_options, lora_policy, noise, unequal_prompts
from tiny_policy import tiny_model

from prefgrid.job.devices import explained_out_of_memory
from prefgrid.sampling import decode
from prefgrid.sampling.request import prompt_batches, stop_ids
from prefgrid.sampling.transformers_backend import sample_responses


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_batched_equals_unbatched(model):
    prompts, uniforms = unequal_prompts(), noise(5)
    together = sample_responses(model, prompts, uniforms, decoding_options())
    alone = [
        sample_responses(model, [prompt], uniforms[row : row + 1], decoding_options())[0]
        for row, prompt in enumerate(prompts)
    ]
    assert together == alone
    assert len({len(response.tokens) for response in together}) > 1


@pytest.mark.parametrize("batch_rows", [1, 4, 7])
def test_batch_size_and_order_change_nothing(model, batch_rows):
    prompts, uniforms = unequal_prompts(), noise(10)
    expected = sample_responses(model, prompts, uniforms, decoding_options())
    order = [3, 0, 4, 2, 1]
    shuffled = sample_responses(
        model,
        [prompts[position] for position in order],
        uniforms.reshape(5, 2, -1)[order].reshape(10, -1),
        decoding_options(batch_rows=batch_rows),
    )
    back = [shuffled[2 * order.index(row // 2) + row % 2] for row in range(10)]
    assert back == expected


def test_several_samples_of_a_prompt_equal_separate_calls(model):
    prompts, uniforms = unequal_prompts(3), noise(12)
    shared = sample_responses(model, prompts, uniforms, decoding_options())
    for sample in range(4):
        separate = sample_responses(model, prompts, uniforms[sample::4], decoding_options())
        assert shared[sample::4] == separate


def test_a_response_ends_with_its_first_end_token_or_at_the_limit(model):
    responses = sample_responses(model, unequal_prompts(), noise(40), decoding_options())
    finishes = [response.finish for response in responses]
    assert {"stop", "length"} == set(finishes)
    for response in responses:
        ends = [token in EOS_IDS for token in response.tokens]
        if response.finish == "stop":
            assert ends == [False] * (len(ends) - 1) + [True]
        else:
            assert ends == [False] * 12


def test_an_end_token_at_the_last_step_is_a_stop(model):
    uniforms = noise(30)
    responses = sample_responses(model, [[7, 8]], uniforms, decoding_options())
    row, whole = next(
        (row, response)
        for row, response in enumerate(responses)
        if response.finish == "stop" and len(response.tokens) > 1
    )

    def limited(limit: int):
        options = decoding_options(max_new_tokens=limit)
        return sample_responses(model, [[7, 8]], uniforms[row : row + 1], options)[0]

    limit = len(whole.tokens)
    assert limited(limit) == whole
    assert (limited(limit - 1).tokens, limited(limit - 1).finish) == (whole.tokens[:-1], "length")


def test_batches_that_were_kept_are_not_sampled_again(model):
    """Kept as JSON text, as a job's parts are; each batch's rows go to its own prompts."""
    prompts, uniforms, kept = unequal_prompts(), noise(10), {}
    expected = sample_responses(model, prompts, uniforms, decoding_options())

    def keep(name, compute):
        if name not in kept:
            kept[name] = json.dumps(compute())
        return json.loads(kept[name])

    for continued in (model, None):
        options = decoding_options(batch_rows=4)
        assert sample_responses(continued, prompts, uniforms, options, keep) == expected
    assert len(kept) == 3


@pytest.mark.parametrize("share", [1e-9, 2.0], ids=["always", "never"])
def test_dropping_finished_rows_changes_nothing(model, monkeypatch, share):
    expected = sample_responses(model, unequal_prompts(), noise(20), decoding_options())
    monkeypatch.setattr(decode, "COMPACT_SHARE", share)
    assert sample_responses(model, unequal_prompts(), noise(20), decoding_options()) == expected


def test_sampling_follows_the_models_distribution(model):
    # 4000 evenly spaced uniforms on one step: each token's count is its probability to 1/4000.
    prompt = [9, 30, 12]
    uniforms = ((np.arange(4000) + 0.5) / 4000)[:, None]
    responses = sample_responses(
        model, [prompt], uniforms, decoding_options(max_new_tokens=1, batch_rows=4000)
    )
    counts = np.bincount([response.tokens[0] for response in responses], minlength=60)
    with torch.no_grad():
        probabilities = model(torch.tensor([prompt])).logits[0, -1].softmax(-1).numpy()
    np.testing.assert_allclose(counts / 4000, probabilities, atol=1.01 / 4000)
    assert probabilities.max() < 0.9


def test_attention_without_copies_is_transformers_attention(model):
    eager = tiny_model()
    eager.set_attn_implementation("eager")
    options = decoding_options()
    expected = sample_responses(eager, unequal_prompts(), noise(20), options)
    assert sample_responses(model, unequal_prompts(), noise(20), options) == expected
    assert model.config._attn_implementation == "sdpa"


def test_batches_hold_the_longest_prompts_first_and_keep_to_the_limit():
    prompts = [[0] * length for length in (2, 5, 3, 5, 1)]
    assert prompt_batches(prompts, responses_per_prompt=3, batch_rows=7) == [[1, 3], [2, 0], [4]]
    assert prompt_batches(prompts[:2], responses_per_prompt=9, batch_rows=7) == [[1], [0]]


def test_training_mode_is_refused(model):
    model.train()
    try:
        with pytest.raises(ValueError, match=r"model\.eval\(\)"):
            sample_responses(model, [[7]], noise(1), decoding_options())
    finally:
        model.eval()


def test_bad_input_is_named(model):
    with pytest.raises(ValueError, match="prompt 1 has no tokens"):
        sample_responses(model, [[7], []], noise(2), decoding_options())
    with pytest.raises(ValueError, match="multiple of the 2 prompts"):
        sample_responses(model, [[7], [8]], noise(3), decoding_options())
    with pytest.raises(ValueError, match="at least max_new_tokens = 12"):
        sample_responses(model, [[7]], noise(1, width=11), decoding_options())
    for change, message in [
        ({"eos_ids": ()}, "eos_ids is empty"),
        ({"temperature": -1.0}, "temperature -1.0: must be >= 0"),
        ({"top_p": 0.0}, r"top_p 0.0: must be in \(0, 1\]"),
        ({"max_new_tokens": 0}, "max_new_tokens 0: must be >= 1"),
        ({"batch_rows": 0}, "batch_rows 0: must be >= 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            decoding_options(**change)


def test_logits_that_are_not_finite_are_refused():
    broken = tiny_model()
    with torch.no_grad():
        broken.model.norm.weight[0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        sample_responses(broken, [[7]], noise(1), decoding_options())


@pytest.mark.parametrize(
    ("configured", "expected"),
    [(None, (9,)), (9, (9,)), (4, (9, 4)), ([11, 9, 4], (9, 4, 11))],
)
def test_a_response_stops_at_the_tokenizers_and_at_the_models_end_tokens(configured, expected):
    # Qwen3: the tokenizer ends with <|im_end|>, generation_config lists <|endoftext|> as well.
    tokenizer = SimpleNamespace(eos_token_id=9)
    model = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=configured))
    assert stop_ids(tokenizer, model, "raw") == expected


def test_end_tokens_of_a_peft_model_are_those_of_its_base():
    model = lora_policy()
    model.generation_config.eos_token_id = [2, 1]
    assert stop_ids(SimpleNamespace(eos_token_id=1), model, "raw") == (1, 2)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    ],
)
def test_out_of_memory_says_what_to_lower(error):
    with (
        pytest.raises(RuntimeError, match=r"^out of memory: lower generation\.batch_rows$"),
        explained_out_of_memory("lower reward.batch_size"),
        explained_out_of_memory("lower generation.batch_rows"),
    ):
        raise error


def test_other_errors_pass_unexplained():
    with pytest.raises(RuntimeError, match="^shapes differ$"), explained_out_of_memory("lower"):
        raise RuntimeError("shapes differ")
