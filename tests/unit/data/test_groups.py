"""Groups: a prompt with its K responses, as rows and as a table."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefgrid.data import groups
from prefgrid.data.pools import Prompt
from prefgrid.files import kinds, records

IDENTITY = "0123456789abcdef"


@dataclass
class Sampled:
    tokens: list[int]
    finish: str


def group(number: int, lengths: list[int]) -> dict:
    """A group whose response k has lengths[k] tokens; every text and token differs."""
    prompt = Prompt(prompt_id=f"{number:016x}", prompt=f"prompt {number}")
    sampled = [
        (f"{number}.{k}", Sampled([100 * number + 10 * k + i for i in range(length)], "stop"))
        for k, length in enumerate(lengths)
    ]
    return groups.row(number, prompt, [number], sampled)


# Groups with unequal numbers of responses.
ROWS = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=5).map(
    lambda all_lengths: [group(number, lengths) for number, lengths in enumerate(all_lengths)]
)


def test_a_row_holds_its_prompt_and_every_response():
    row = groups.row(
        4,
        Prompt(prompt_id=IDENTITY, prompt="Why?"),
        [7, 8],
        [("So.", Sampled([1, 2], "stop")), ("Well", Sampled([3], "length"))],
    )
    assert row == {
        "group": 4,
        "prompt_id": IDENTITY,
        "prompt": "Why?",
        "prompt_tokens": [7, 8],
        "responses": [
            {"text": "So.", "tokens": [1, 2], "finish": "stop"},
            {"text": "Well", "tokens": [3], "finish": "length"},
        ],
    }
    assert kinds.problem(row, records.Group) is None


@dataclass
class Told(Sampled):
    token_logps: list[float] | None
    sampling_token_logps: list[float] | None


def test_a_row_holds_log_probabilities_where_there_are_any():
    prompt = Prompt(prompt_id=IDENTITY, prompt="Why?")
    told = Told([1, 2], "stop", [-0.5, -1.25], [-0.25, -1.0])
    untold = Told([1, 2], "stop", None, None)
    row = groups.row(4, prompt, [7, 8], [("So.", told), ("So.", untold)])
    plain = {"text": "So.", "tokens": [1, 2], "finish": "stop"}
    logps = {"token_logps": [-0.5, -1.25], "sampling_token_logps": [-0.25, -1.0]}
    assert row["responses"] == [plain | logps, plain]
    assert list(row["responses"][1]) == list(plain)
    assert kinds.problem(row, records.Group) is None


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            [-0.5],
            "field 'responses.0' has 2 tokens and 1 sampling_token_logps; they must be as many",
        ),
        ([], "field 'responses.0' has 2 tokens and 0 sampling_token_logps; they must be as many"),
        ([-0.5, float("nan")], "'responses.0.sampling_token_logps.1' should be a finite number"),
        ([-0.5, "-1"], "'responses.0.sampling_token_logps.1' should be a valid number"),
        (None, "'responses.0.sampling_token_logps' should be a valid list"),
    ],
)
def test_log_probabilities_that_are_none_of_its_tokens_are_refused(found, message):
    row = group(0, [2])
    row["responses"][0]["sampling_token_logps"] = found
    assert message in kinds.problem(row, records.Group)
    row["responses"][0]["reward"] = 1.0
    assert message in kinds.problem(row, records.ScoredGroup)


def test_a_sampler_that_does_not_tell_what_it_was_asked_for_is_named():
    good = Told([1, 2], "stop", [-0.5, -1.25], [-0.25, -1.0])
    groups.check_log_probs([good], "theirs.backend")
    for bad, message in [
        (Sampled([1], "stop"), "theirs.backend gave response 1 without token_logps, which deco"),
        (Told([1], "stop", [-1.0], None), "gave response 1 without sampling_token_logps"),
        (
            Told([1, 2], "stop", [-1.0], [-1.0]),
            r"of 2 tokens the token_logps \[-1.0\]; allowed: one",
        ),
        (Told([1], "stop", [-1.0], [-np.inf]), r"the sampling_token_logps \[-inf\]; allowed"),
    ]:
        with pytest.raises(ValueError, match=message):
            groups.check_log_probs([good, bad], "theirs.backend")


def test_rewards_go_to_responses_in_order_and_nothing_else_changes():
    rows = [group(0, [1, 2]), group(1, [3])]
    scored = list(groups.scored(rows, [0.5, -1.0, 2.0]))
    rewards = [[one["reward"] for one in row["responses"]] for row in scored]
    assert rewards == [[0.5, -1.0], [2.0]]
    assert all("reward" not in one for row in rows for one in row["responses"])
    for row in scored:
        assert kinds.problem(row, records.ScoredGroup) is None
        for one in row["responses"]:
            del one["reward"]
    assert scored == rows


@given(ROWS)
def test_what_a_judge_is_asked_and_what_a_model_is_asked_have_one_order(rows):
    prompts, texts = groups.texts(rows)
    prompt_tokens, tokens = groups.tokens(rows)
    assert prompt_tokens == [row["prompt_tokens"] for row in rows]
    flat = [
        (row["prompt"], f"{row['group']}.{k}", one)
        for row, responses in zip(rows, tokens, strict=True)
        for k, one in enumerate(responses)
    ]
    assert [*zip(prompts, texts, strict=True)] == [(prompt, text) for prompt, text, _ in flat]
    by_text = {one["text"]: one["tokens"] for row in rows for one in row["responses"]}
    assert all(by_text[text] == one for _, text, one in flat)


@given(ROWS, st.integers(1, 4))
def test_the_first_responses_are_a_prefix(rows, first):
    (_, some), (_, every) = groups.tokens(rows, first), groups.tokens(rows)
    assert some == [responses[:first] for responses in every]


@given(ROWS)
def test_the_table_has_a_row_a_response_in_the_order_of_the_texts(rows):
    count = sum(len(row["responses"]) for row in rows)
    frame = groups.frame(groups.scored(rows, map(float, range(count))))
    prompts, texts = groups.texts(rows)
    assert frame["response"].tolist() == texts
    assert frame["reward"].tolist() == list(range(count))
    names = {row["prompt"]: row["prompt_id"] for row in rows}
    assert frame["prompt_id"].tolist() == [names[prompt] for prompt in prompts]
    samples = [k for row in rows for k, _ in enumerate(row["responses"])]
    assert frame["sample"].tolist() == samples


def test_the_tables_columns_and_types():
    """float32 rewards, as judges give them: a wider sum would round otherwise. 0.1 is none."""
    frame = groups.frame(groups.scored([group(0, [1, 2])], [0.1, 2.0]))
    assert list(frame) == [
        *("prompt_id", "sample", "reward", "length_tokens", "finish", "response"),
    ]
    assert frame["reward"].dtype == np.float32
    assert frame["reward"].tolist() == [pytest.approx(0.1, abs=1e-8), 2.0]
    assert frame["reward"][0] == np.float32(0.1)
    assert frame[["sample", "length_tokens"]].dtypes.tolist() == [np.int64, np.int64]
    assert frame["length_tokens"].tolist() == [1, 2]
    assert frame["finish"].tolist() == ["stop", "stop"]
