"""A dataset is one module: another one, outside the package, is read by the scripts that its name reaches."""

import json
from pathlib import Path

import pytest
from tests.support import toy_dataset
from tiny_policy import tiny_tokenizer

from prefgrid.data import instructions, pools, supervised
from prefgrid.files import store
from prefgrid.job.jobs import Job
from steps import build_prompt_pools

NAME = toy_dataset.__name__
QUESTIONS = [f"What is {number}?" for number in range(40)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Forty questions and a row without one."""
    rows = [{"question": text, "answer": f"It is {text[8:-1]}."} for text in QUESTIONS]
    path = tmp_path / "train.jsonl"
    store.write_jsonl(path, [*rows, {"question": "", "answer": "No."}])
    return path


def build_pools(data: Path, bad_row_share: float) -> dict[str, list[str]]:
    """Prompts of the pools that the script makes of `data`."""
    folder = data.parent
    tiny_tokenizer().save_pretrained(folder)
    outputs = {name: folder / f"{name}.jsonl" for name in ("train", "evaluation")}
    spec = {
        "data": {"dataset": NAME, "bad_row_share": bad_row_share, "eval_share": 0.3},
        "max_prompt_tokens": 50,
    }
    inputs = {"data": data, "tokenizer": folder / "tokenizer.json"}
    build_prompt_pools.main(Job(inputs=inputs, outputs=outputs, finals=outputs, spec=spec))
    return {
        name: [json.loads(line)["prompt"] for line in path.open()] for name, path in outputs.items()
    }


def test_pools_are_built_of_it(data: Path) -> None:
    found = build_pools(data, bad_row_share=0.1)
    train, evaluation = pools.split(QUESTIONS, 0.3)
    assert found == {
        "train": [row["prompt"] for row in train],
        "evaluation": [row["prompt"] for row in evaluation],
    }
    assert train and evaluation


def test_its_bad_rows_are_counted_and_named(data: Path) -> None:
    with pytest.raises(store.DataError) as caught:
        build_pools(data, bad_row_share=0.0)
    assert "1 of 41 rows do not fit" in str(caught.value)
    assert "line 41: field 'question' must be a non-empty string, found ''" in str(caught.value)


def test_it_teaches_the_reference(data: Path) -> None:
    tokenizer = tiny_tokenizer()
    found = supervised.examples(
        instructions.read(data, NAME, bad_row_share=0.1).rows,
        tokenizer,
        completions="all",
        prompts=1,
        eval_share=0.3,
        prompt_format="raw",
        max_prompt_tokens=50,
        max_response_tokens=50,
    )
    (prompt, *_), _ = pools.split(QUESTIONS, 0.3)
    (example,) = found
    assert tokenizer.decode(example.prompt_tokens) == prompt["prompt"]
    number = prompt["prompt"][8:-1]
    assert tokenizer.decode(example.response_tokens) == f"It is {number}.<end>"
