"""The script that gives each iteration its prompts: from the pools, or from files."""

import copy
from pathlib import Path

import pytest
from tests.unit.plan.test_config import DEFAULT, changed
from tokenizers import Tokenizer, models, pre_tokenizers

from prefgrid.data import pools
from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.plan.load import load
from prefgrid.studies import registry
from self_play import divide_prompts

SHARE = 0.2
KEY = "self_play.prompts.per_iteration"


def divide(folder: Path, part, sources=(), pool=None, **spec) -> list[dict]:
    """What the job writes. pool: rows of the world's; sources: rows of the files."""
    inputs = {"pool": None, "sources": [], "tokenizer": None}
    if pool is not None:
        inputs["pool"] = folder / "pool.jsonl"
        store.write_jsonl(inputs["pool"], pool)
    for number, rows in enumerate(sources):
        inputs["sources"].append(folder / f"source{number}.jsonl")
        store.write_jsonl(inputs["sources"][-1], rows)
    told = None
    if sources:
        inputs["tokenizer"] = folder / "tokenizer.json"
        words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        words.save(str(inputs["tokenizer"]))
        told = {"bad_row_share": 0.0, "eval_share": SHARE, "max_prompt_tokens": 3, **spec}
    outputs = {"prompts": folder / "prompts.jsonl"}
    divide_prompts.main(
        jobs.Job(inputs, outputs, outputs, {"part": part, "asked_by": KEY, "sources": told})
    )
    return list(store.iterate_jsonl(outputs["prompts"]))


def part(number=1, size=None, shares=None):
    return {"number": number, "size": size, "shares": shares}


def rows(*prompts):
    return [{"prompt": prompt} for prompt in prompts]


FILES = [
    rows(*(f"first {number}" for number in range(40)), "both files", "one more word here"),
    rows(*(f"second {number}" for number in range(30)), "both  files", "second 0"),
]


def test_parts_of_the_pool_follow_each_other(tmp_path):
    pool = pools.split([f"prompt {number}" for number in range(60)], SHARE)[0]
    found = [divide(tmp_path, part(number, 10), pool=pool) for number in (1, 2, 3)]
    assert [row for one in found for row in one] == pool[:30]
    assert divide(tmp_path, None, pool=pool) == pool


def test_a_pool_that_is_too_small_is_refused_by_the_key(tmp_path):
    pool = pools.split([f"prompt {number}" for number in range(25)], 0.0)[0]
    with pytest.raises(ValueError, match=rf"^{KEY}: 3 x 10 = 30 .* holds 25; allowed: at most 8"):
        divide(tmp_path, part(3, 10), pool=pool)


def test_files_are_an_iteration_each_and_evaluate_alike(tmp_path):
    first = divide(tmp_path, part(), FILES[:1])
    second = divide(tmp_path, part(), FILES)
    evaluation = divide(tmp_path, None, FILES[:1])
    names = [{row["prompt_id"] for row in one} for one in (first, second, evaluation)]
    # Of three words at most, each once, on the side of its hash; of the second file none evaluates.
    every = [{row["prompt"] for row in file} - {"one more word here"} for file in FILES]
    both = {pools.prompt_id(prompt) for prompt in every[0] | every[1]}
    evaluates = {name for name in both if pools.is_evaluation(name, SHARE)}
    assert names[0] | names[1] == both - evaluates and not names[0] & names[1]
    assert names[2] == evaluates & {pools.prompt_id(prompt) for prompt in every[0]} < evaluates
    assert {row["prompt"].split()[0] for row in first} <= {"first", "both"}
    assert {row["prompt"].split()[0] for row in second} == {"second"}


def test_a_file_more_changes_nothing_of_those_before_it(tmp_path):
    """What the workflow has the script read, in a run of one iteration and in one of two."""
    paths = [tmp_path / f"{number}.jsonl" for number in (1, 2)]
    for path, held in zip(paths, FILES, strict=True):
        store.write_jsonl(path, held)
    found = []
    for count in (1, 2):
        section = copy.deepcopy(DEFAULT["self_play"]) | {"iterations": count}
        named = [{"source": str(path), "revision": None, "split": "train"} for path in paths]
        section["prompts"] = {"per_iteration": None, "sources": named[:count]}
        config = load(changed({"studies": ["self_play"], "self_play": section}))
        own = registry.wiring(config.packages["self_play"], config)
        steps = [own.prompts(cell) for cell in ("pool=eval", "iteration=1")]
        found.append(
            [
                divide(tmp_path, step.spec["part"], FILES[: len(step.inputs["sources"])])
                for step in steps
            ]
        )
    assert found[0] == found[1]
    # The file more would have held out more.
    assert len(found[0][0]) < len(divide(tmp_path, None, [[*FILES[0], *FILES[1]]]))


def test_a_part_of_a_file_is_its_first_prompts(tmp_path):
    assert divide(tmp_path, part(1, 7), FILES[:1]) == divide(tmp_path, part(), FILES[:1])[:7]


def test_rows_that_are_no_prompt_are_counted(tmp_path):
    bad = [[*FILES[0], {"prompt": 3}]]
    with pytest.raises(store.DataError, match="1 of 43 rows do not fit; allowed share"):
        divide(tmp_path, part(), bad)
    assert divide(tmp_path, part(), bad, bad_row_share=0.1) == divide(tmp_path, part(), FILES[:1])


def test_where_none_is_left_it_says_where_they_went(tmp_path):
    pool = pools.distinct(f"prompt {number}" for number in range(40))
    held_out = [row["prompt"] for row in pool if pools.is_evaluation(row["prompt_id"], SHARE)]
    first = rows(*held_out, "one more word here", held_out[0])
    count = len(held_out)
    with pytest.raises(ValueError) as caught:
        divide(tmp_path, part(), [first])
    assert str(caught.value) == (
        f"{KEY}: no prompt is left to train on; allowed: at least one ({tmp_path}/source0.jsonl: {count + 2} "
        f"prompts, 1 over max_prompt_tokens = 3 left out, 1 duplicates; 0 for training, {count} for evaluation "
        "by data.eval_share = 0.2; 0 of 0 are an earlier iteration's)"
    )
    with pytest.raises(
        ValueError, match=r"1 x 90 = 90 prompts .*; 0 of \d+ are an earlier iteration's\)$"
    ):
        divide(tmp_path, part(1, 90), FILES[:1])
