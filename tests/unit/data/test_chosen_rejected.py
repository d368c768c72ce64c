"""Preferences for other trainers: which response is chosen, and the columns in both formats."""

import datasets
import pytest

from link_robustness import export_preferences
from prefgrid.data import chosen_rejected
from prefgrid.files import store
from prefgrid.job.jobs import Job

# Of both labels; the reward differences say the opposite, and the labels count.
PREFERENCES = [
    {"prompt": "p", "response_0": "a", "response_1": "b", "z": 1, "reward_diff": -1.0},
    {"prompt": "q", "response_0": "c", "response_1": "", "z": 0, "reward_diff": 1.0},
]


def turns(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


EXPECTED = {
    "raw": [
        {"prompt": "p", "chosen": "b", "rejected": "a"},
        {"prompt": "q", "chosen": "c", "rejected": ""},
    ],
    "chat": [
        {
            "prompt": turns("user", prompt),
            "chosen": turns("assistant", chosen),
            "rejected": turns("assistant", rejected),
            "chat_template_kwargs": {"enable_thinking": False},
        }
        for prompt, chosen, rejected in (("p", "b", "a"), ("q", "c", ""))
    ],
}


@pytest.mark.parametrize("prompt_format", EXPECTED)
def test_chosen_is_what_the_label_prefers(prompt_format):
    """And the rows are a dataset of exactly these columns."""
    rows = list(chosen_rejected.rows(PREFERENCES, prompt_format))
    assert rows == EXPECTED[prompt_format]
    loaded = datasets.Dataset.from_list(rows)
    assert loaded.column_names == list(rows[0]) and loaded.to_list() == rows


@pytest.mark.parametrize("prompt_format", EXPECTED)
def test_the_script_writes_them_in_the_format_of_its_spec(prompt_format, tmp_path):
    rest = {"prompt_tokens": [1], "tokens_0": [1], "tokens_1": [1], "reward_scale": 1.0}
    rest |= {"finish_0": "stop", "finish_1": "stop", "reward_0": 0.0, "reward_1": 0.0}
    source, pairs = tmp_path / "preferences.jsonl", {"pairs": tmp_path / "pairs.jsonl"}
    store.write_jsonl(
        source,
        [
            {"pair": pair, "prompt_id": f"{pair:016x}", **rest, **row}
            for pair, row in enumerate(PREFERENCES)
        ],
    )
    spec = {"prompt_format": prompt_format}
    export_preferences.main(Job({"preferences": source}, pairs, pairs, spec))
    assert store.read_jsonl(pairs["pairs"]) == EXPECTED[prompt_format]
