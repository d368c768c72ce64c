"""A reward model is asked for three dialogues, whose rewards its plain classifier must give too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_families import config, tiny_decoder
from tiny_pair_ranker import save_pair_ranker
from tiny_policy import scale_up, tiny_tokenizer
from tiny_preferences import saved
from transformers import AutoModelForSequenceClassification

from prefgrid.judges import embedding
from prefgrid.judges.embedding import EmbeddingJudge
from prefgrid.judges.pair_ranker import PairRankerJudge
from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.models.loading import save_model
from prefgrid.rehearsal import judges

SIZES = {"vocab_size": 258, "eos_token_id": 257, "pad_token_id": 256}
OPTIONS = {"max_tokens": 128, "batch_size": 8, "precision": "none"}
SCRIPTS = Path(__file__).resolve().parents[3] / "workflow_scripts"


def save_reward_model(folder: Path, family: str, **changes) -> None:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(
        config(family, num_labels=1, **SIZES | changes)
    )
    save_model(folder, scale_up(model.eval(), 3.0), tiny_tokenizer())


@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2"])
def test_sound_classifiers_give_their_plain_rewards(tmp_path, family):
    save_reward_model(tmp_path, family)
    found = judges.rehearse(tmp_path, "raw", "prefgrid.judges.scalar", OPTIONS)
    assert found["rewards by scalar"]["rewards"] < 1e-5


def test_a_dialogue_may_end_with_what_the_model_calls_padding(tmp_path):
    """The model then reads the token before it, and so do we."""
    [last] = tiny_tokenizer()(".")["input_ids"]
    save_reward_model(tmp_path, "llama", pad_token_id=last)
    found = judges.rehearse(tmp_path, "raw", "prefgrid.judges.scalar", OPTIONS)
    assert found["rewards by scalar"]["rewards"] < 1e-5


def test_rewards_of_other_values_than_the_plain_classifiers_are_refused(tmp_path, monkeypatch):
    save_reward_model(tmp_path, "llama")
    monkeypatch.setattr(ScalarRewardModel, "_check_own_forward", lambda self: None)
    score = ScalarRewardModel.score
    monkeypatch.setattr(ScalarRewardModel, "score", lambda *pairs: score(*pairs) + 0.1)
    with pytest.raises(ValueError, match="rehearsal of rewards by scalar failed.*'llama'.*differ"):
        judges.rehearse(tmp_path, "raw", "prefgrid.judges.scalar", OPTIONS)


def test_a_template_that_knows_no_empty_answer_is_refused_before_one_is_sampled(tmp_path):
    """The kind: a dialogue that any policy may bring about, and that the judge cannot read."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if not m.content %}{{ raise_exception('no content') }}{% endif %}"
        "<{{ m.content }}>{% endfor %}"
    )
    save_reward_model(tmp_path, "llama")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    save_model(tmp_path, model, tokenizer)
    with pytest.raises(ValueError, match="rehearsal of rewards by scalar failed .*: .*no content"):
        judges.rehearse(tmp_path, "chat", "prefgrid.judges.scalar", OPTIONS)


def test_a_model_without_preferences_is_refused(tmp_path):
    save_reward_model(tmp_path, "llama")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    torch.nn.init.zeros_(model.score.weight)
    save_model(tmp_path, model, tiny_tokenizer())
    with pytest.raises(
        ValueError, match="its rewards of 5 dialogues are all 0, so it prefers nothing"
    ):
        judges.rehearse(tmp_path, "raw", "prefgrid.judges.scalar", OPTIONS)


@pytest.mark.parametrize("max_tokens", [100, 400])
def test_the_longest_dialogue_is_read_too(tmp_path, monkeypatch, max_tokens):
    """The kind: what goes wrong beyond a window or a number of positions is not met by short texts."""
    seen = []
    plain = ScalarRewardModel._rewards

    def watched(self, groups):
        seen.extend(len(head) + len(tail) for group in groups for head, tail in group)
        return plain(self, groups)

    monkeypatch.setattr(ScalarRewardModel, "_rewards", watched)
    save_reward_model(tmp_path, "llama")
    judges.rehearse(tmp_path, "raw", "prefgrid.judges.scalar", OPTIONS | {"max_tokens": max_tokens})
    assert max(seen) == max_tokens


def script(folder: Path, spec: dict) -> subprocess.CompletedProcess:
    out = folder.parent / "out" / "rehearsal.json"
    return subprocess.run(
        [
            *(sys.executable, "worlds/rehearse_model.py", "--model", str(folder / "manifest.json")),
            *("--rehearsal", str(out), "--spec", json.dumps(spec)),
        ],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(SCRIPTS)},
    )


def test_the_script_writes_what_it_found_and_refuses_before_it_writes(tmp_path):
    folder = tmp_path / "base"
    save_model(folder, tiny_decoder("llama", **SIZES), tiny_tokenizer())
    training = {"precision": "none", "targets": ["q_proj"], "gradient_checkpointing": False}
    spec = {"trainings": [training], "judges": [], "prompt_format": "raw", "text_tokens": 40}
    done = script(folder, spec)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "rehearsal.json").read_text())
    assert "an adapter of q_proj in precision none" in found
    (tmp_path / "out" / "rehearsal.json").unlink()
    done = script(folder, {**spec, "trainings": [training | {"targets": ["c_attn"]}]})
    assert done.returncode == 1
    assert "the rehearsal of an adapter of c_attn in precision none failed" in done.stderr
    assert not (tmp_path / "out" / "rehearsal.json").exists()


PAIRS = {"source_tokens": 1224, "candidate_tokens": 412, "batch_size": 8, "precision": "none"}


def test_a_judge_that_compares_is_asked_together_and_one_by_one(tmp_path):
    save_pair_ranker(tmp_path)
    found = judges.rehearse(tmp_path, "raw", "prefgrid.judges.pair_ranker", PAIRS)
    assert found["logits by pair_ranker"]["logits"] < 1e-5


def test_logits_that_depend_on_company_are_refused(tmp_path, monkeypatch):
    save_pair_ranker(tmp_path)
    asked = PairRankerJudge.logits

    def by_company(judge, prompts, responses):
        return [len(prompts) * one for one in asked(judge, prompts, responses)]

    monkeypatch.setattr(PairRankerJudge, "logits", by_company)
    with pytest.raises(ValueError, match="rehearsal of logits by pair_ranker failed .* differ"):
        judges.rehearse(tmp_path, "raw", "prefgrid.judges.pair_ranker", PAIRS)


def test_a_folder_of_another_judges_model_is_refused_by_name(tmp_path):
    save_reward_model(tmp_path, "llama")
    with pytest.raises(
        ValueError, match="logits by pair_ranker .* is a deberta-v2, this is a llama"
    ):
        judges.rehearse(tmp_path, "raw", "prefgrid.judges.pair_ranker", PAIRS)


EMBEDDING = {name: default for name, (default, _) in embedding.OPTIONS.items()}


@pytest.mark.parametrize(
    "shape",
    [{"gate": "softmax", "dimension": 4}, {"dimension": 1, "normalize": False}],
    ids=["gated", "bradley_terry"],
)
def test_a_preference_model_is_compared_with_plain_forwards(tmp_path, shape):
    """Of d > 1 it has no scores; rehearsed, it is asked as it will be."""
    saved(tmp_path, **shape)
    found = judges.rehearse(tmp_path, "chat", "prefgrid.judges.embedding", EMBEDDING)
    assert 0 < found["logits by embedding"]["logits"] < 1e-4


def test_a_preference_model_that_its_plain_forward_contradicts_is_refused(tmp_path, monkeypatch):
    saved(tmp_path, gate="softmax")
    own = EmbeddingJudge.own_logits
    monkeypatch.setattr(
        EmbeddingJudge, "own_logits", lambda *asked: [one + 0.1 for one in own(*asked)]
    )
    with pytest.raises(ValueError, match="rehearsal of logits by embedding failed .* differ"):
        judges.rehearse(tmp_path, "chat", "prefgrid.judges.embedding", EMBEDDING)
