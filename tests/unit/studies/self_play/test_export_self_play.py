"""The published files: their columns and types as `datasets` reads them, and the numbers of the published code."""

import datasets
import numpy as np
import pandas as pd
import pytest
from datasets import List, Value
from judged_iterations import Iteration, reward, selection, targets

from prefgrid.studies.self_play.config import Selection
from self_play import export_self_play

MESSAGES = List({"content": Value("string"), "role": Value("string")})
OWN = [[["a", "d", "c", "b", "d…"], ["b", "b", "b", "b", "b"]], [["e", "", "a", "c", "d"]]]
OWN[1][0][3] = "c☀\n"
RELEASED = {"estimator": "aggregated", "logit_scale": 2.0}
UNFILTERED = {"drop_duplicates": False, "drop_truncated": False, "by": "mean_logit"}


def exported(tmp_path, own=OWN, chosen=None, scores=False, **changes):
    world = Iteration(tmp_path, own)
    outputs = {name: f"published/{name}.parquet" for name in ("train", "generated")}
    (tmp_path / "published").mkdir()
    found = world.job(
        export_self_play,
        outputs,
        targets=targets(**changes),
        selection=chosen or selection(),
        scores=scores,
    )
    loaded = [
        datasets.load_dataset(
            "parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
        )
        for path in found.values()
    ]
    return world, *loaded


def test_the_columns_and_their_types_are_the_published_ones(tmp_path):
    _, train, generated = exported(tmp_path)
    assert train.features == datasets.Features(
        {
            "chosen": MESSAGES,
            "rejected": MESSAGES,
            "chosen_probs": Value("float64"),
            "chosen_probs_win": Value("float64"),
            "chosen_probs_lose": Value("float64"),
        }
    )
    assert list(train.features) == ["chosen", "rejected"] + [
        f"chosen_probs{end}" for end in ("", "_win", "_lose")
    ]
    names = [f"generate_{k}" for k in range(5)]
    assert generated.features == datasets.Features(
        {
            "prompt": Value("string"),
            **dict.fromkeys(names, MESSAGES),
            "probability": List(List(Value("float64"))),
            "rm_scores": List(Value("float64")),
        }
    )
    assert list(generated.features) == ["prompt", *names, "probability", "rm_scores"]
    for rows in (train, generated):
        for one in rows:
            for name, value in one.items():
                if name in ("chosen", "rejected", *names):
                    assert [list(message) for message in value] == [["content", "role"]] * 2
                    assert [message["role"] for message in value] == ["user", "assistant"]


def test_pandas_reads_the_same(tmp_path):
    """Kind of bug: types of one library in the file's metadata, which another cannot name."""
    _, *loaded = exported(tmp_path)
    for name, rows in zip(("train", "generated"), loaded, strict=True):
        frame = pd.read_parquet(tmp_path / f"published/{name}.parquet")
        assert list(frame.columns) == rows.column_names and len(frame) == len(rows)
        assert [plain(one) for one in frame.to_dict("records")] == rows.to_list()


def plain(value):
    """With lists for arrays."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, np.ndarray) else value


def published(rewards):
    """The released code, step by step: (w, l, P(w, l), row means of w and l, table, scores)."""
    logits = rewards[:, None] - rewards[None, :] + 0.25 * ~np.eye(5, dtype=bool)
    score = np.array([np.mean([logits[i, k] - logits[k, i] for k in range(5)]) for i in range(5)])
    table = 1 / (1 + np.exp(-(score[:, None] - score[None, :])))
    w, l = score.argmax(), score.argmin()  # noqa: E741
    return w, l, table[w, l], table[w].mean(), table[l].mean(), table, score


def test_the_numbers_are_those_of_the_released_code(tmp_path):
    """With what `compat: released` sets; but a prompt whose responses are all alike is no pair."""
    world, train, generated = exported(tmp_path, chosen=selection(**UNFILTERED), **RELEASED)
    sources = [row for shard in world.rows for row in shard]
    left = iter(train)
    assert (len(train), len(generated)) == (2, 3)
    for number, (source, every) in enumerate(zip(sources, generated, strict=True)):
        texts = [one["text"] for one in source["responses"]]
        w, l, pair, win, lose, table, score = published(np.array([reward(t) for t in texts]))  # noqa: E741
        assert every["prompt"] == source["prompt"]
        assert [every[f"generate_{k}"][1]["content"] for k in range(5)] == texts
        assert np.array(every["probability"]) == pytest.approx(table, abs=1e-7)
        assert every["rm_scores"] == pytest.approx(score, abs=1e-6)
        if number == 1:
            continue
        one = next(left)
        assert [message["content"] for message in one["chosen"]] == [source["prompt"], texts[w]]
        assert [message["content"] for message in one["rejected"]] == [source["prompt"], texts[l]]
        numbers = [one[f"chosen_probs{end}"] for end in ("", "_win", "_lose")]
        assert numbers == pytest.approx([pair, win, lose], abs=1e-7)


def test_columns_of_a_method_on_scores_hold_scores(tmp_path):
    """GPO's released table: l_ij − l_ji and its row means, also where probabilities are aggregated."""
    world, train, generated = exported(
        tmp_path, chosen=selection(**UNFILTERED), scores=True, **RELEASED
    )
    first = np.array([reward(one["text"]) for one in world.rows[0][0]["responses"]])
    doubled = 2 * (first[:, None] - first[None, :])
    assert np.array(generated[0]["probability"]) == pytest.approx(doubled, abs=1e-6)
    assert generated[0]["rm_scores"] == pytest.approx(doubled.mean(axis=1), abs=1e-6)
    best, worst = first.argmax(), first.argmin()
    numbers = [train[0][f"chosen_probs{end}"] for end in ("", "_win", "_lose")]
    expected = [doubled[best, worst], doubled[best].mean(), doubled[worst].mean()]
    assert numbers == pytest.approx(expected, abs=1e-6)


def test_softened_scores_are_softened_in_every_column(tmp_path):
    """The logits of probabilities that are drawn to ½ by the overlap; of the same letters nothing is left."""
    texts = ["dab", "bda", "ac", "ea", "cf"]
    _, train, generated = exported(tmp_path, own=[[texts]], scores=True, soften=1.0)
    overlap = np.eye(5)
    for one, other, share in (
        *((0, 1, 1), (0, 2, 1 / 4), (0, 3, 1 / 4), (1, 2, 1 / 4), (1, 3, 1 / 4)),
        *((2, 3, 1 / 3), (2, 4, 1 / 3)),
    ):
        overlap[one, other] = overlap[other, one] = share
    rewards = np.array([reward(text) for text in texts])
    p = 0.5 + (1 - overlap) * (1 / (1 + np.exp(rewards[None, :] - rewards[:, None])) - 0.5)
    table = np.log(p / (1 - p))
    assert table[0, 1] == 0 and rewards[0] != rewards[1]
    assert np.array(generated[0]["probability"]) == pytest.approx(table, abs=1e-6)
    assert generated[0]["rm_scores"] == pytest.approx(table.mean(axis=1), abs=1e-6)
    best, worst = texts.index("ea"), texts.index("ac")
    assert train[0]["chosen"][1]["content"] == "ea" and train[0]["rejected"][1]["content"] == "ac"
    numbers = [train[0][f"chosen_probs{end}"] for end in ("", "_win", "_lose")]
    expected = [table[best, worst], table[best].mean(), table[worst].mean()]
    assert numbers == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("mode", ["all", "above", "best_random"])
def test_whatever_trains_the_published_pair_is_of_the_best_and_the_worst(tmp_path, mode):
    """Of those that training leaves: not the one without an end."""
    assert Selection().mode == "all"
    _, train, _ = exported(tmp_path, chosen=selection(mode=mode))
    assert train[0]["chosen"][1]["content"] == "d" and train[0]["rejected"][1]["content"] == "a"


def test_another_number_of_responses_to_each_prompt_has_no_columns(tmp_path):
    with pytest.raises(ValueError, match="2 to 3 responses; allowed: as many for each"):
        exported(tmp_path, own=[[["a", "b"], ["a", "b", "c"]]])


def test_no_pair_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no pair is left of 1 prompts.*'alone': 1"):
        exported(tmp_path, own=[[["a", "a"]]])
