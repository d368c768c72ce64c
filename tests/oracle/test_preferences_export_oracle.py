"""The chosen/rejected export, tokenized by TRL's own trainer: the ids that our stages use."""

import copy

import pytest
from datasets import load_dataset
from trl import DPOConfig, DPOTrainer
from trl.data_utils import is_conversational

from prefgrid import chat
from prefgrid.data import chosen_rejected
from prefgrid.files import store

PREFERENCES = [
    {"prompt": "a cat", "response_0": "It sat.", "response_1": " slept a lot \u2600", "z": 1},
    {"prompt": "two\n", "response_0": "words", "response_1": "", "z": 0},
]
TURN = "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>"
ASKS = "{% if add_generation_prompt %}<|im_start|>assistant\n"
OFF = "{% if enable_thinking is defined and not enable_thinking %}"
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"
# The text → what it writes behind the end token, which TRL trains on and we do not.
TEMPLATES = {
    "ChatML": (f"{{% for m in messages %}}{TURN}\n{{% endfor %}}{ASKS}{{% endif %}}", "\n"),
    "nothing behind the end token": (
        f"{{% for m in messages %}}{TURN}{{% endfor %}}{ASKS}{{% endif %}}",
        "",
    ),
    "a default system turn": (  # as Qwen2.5's
        "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are kind.<|im_end|>\n{% endif %}"
        f"{{% for m in messages %}}{TURN}\n{{% endfor %}}{ASKS}{{% endif %}}",
        "\n",
    ),
    "thinking that is switched off": (  # as Qwen3's
        "{% for m in messages %}{% if m.role == 'assistant' %}<|im_start|>assistant\n"
        f"{EMPTY_THOUGHT}{{{{ m.content }}}}<|im_end|>{{% else %}}{TURN}{{% endif %}}{{{{ '\n' }}}}{{% endfor %}}"
        f"{ASKS}{OFF}{EMPTY_THOUGHT}{{% endif %}}{{% endif %}}",
        "\n",
    ),
}
# It leaves the empty thought out of finished dialogues, so a prompt begins none of them.
FORGETFUL = (
    f"{{% for m in messages %}}{TURN}\n{{% endfor %}}"
    f"{ASKS}{OFF}{EMPTY_THOUGHT}{{% endif %}}{{% endif %}}"
)


def tokenized_by_trl(prompt_format, model, tokenizer, folder):
    """The rows as DPOTrainer prepares them: prompt_ids, chosen_ids, rejected_ids."""
    store.write_jsonl(folder / "pairs.jsonl", chosen_rejected.rows(PREFERENCES, prompt_format))
    pairs = load_dataset(
        "json", data_files=str(folder / "pairs.jsonl"), split="train", cache_dir=str(folder)
    )
    assert is_conversational(pairs[0]) == (prompt_format == "chat")
    trainer = DPOTrainer(
        model=model,
        ref_model=copy.deepcopy(model),
        args=DPOConfig(
            output_dir=str(folder / "run"),
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            report_to="none",
        ),
        train_dataset=pairs,
        processing_class=tokenizer,
    )
    return list(trainer.train_dataset)


def ours(tokenizer, prompt_format):
    """The same of our renderer, with the end token that a response ends with."""
    end = chat.end_id(tokenizer, prompt_format)

    def rendered(row):
        both = [row[f"response_{place}"] for place in (row["z"], 1 - row["z"])]
        chosen, rejected = chat.encode_responses(tokenizer, row["prompt"], both, prompt_format, end)
        prompt = chat.render_prompt(tokenizer, row["prompt"], prompt_format)
        return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}

    return [rendered(row) for row in PREFERENCES]


def templated(tokenizer, template):
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize("name", TEMPLATES)
def test_turns_become_our_ids_in_trl(name, tiny_qwen3, tiny_tokenizer, tmp_path):
    """Kind: an export that another trainer renders otherwise, so trains without the template."""
    template, behind = TEMPLATES[name]
    tokenizer = templated(tiny_tokenizer, template)
    tail = tokenizer(behind, add_special_tokens=False)["input_ids"]
    expected = [
        row | {name: row[name] + tail for name in ("chosen_ids", "rejected_ids")}
        for row in ours(tokenizer, "chat")
    ]
    found = tokenized_by_trl("chat", tiny_qwen3(1), tokenizer, tmp_path)
    assert [{name: row[name] for name in expected[0]} for row in found] == expected
    assert all(row["chosen_ids"][-1 - len(tail)] == tokenizer.eos_token_id for row in found)


def test_texts_become_our_ids_in_trl(tiny_qwen3, tiny_tokenizer, tmp_path):
    found = tokenized_by_trl("raw", tiny_qwen3(1), tiny_tokenizer, tmp_path)
    expected = ours(tiny_tokenizer, "raw")
    assert [{name: row[name] for name in expected[0]} for row in found] == expected


def test_where_trl_cannot_see_what_we_condition_on(tiny_qwen3, tiny_tokenizer, tmp_path):
    """As the docs say: TRL drops the end of a prompt that does not begin the finished dialogue."""
    tokenizer = templated(tiny_tokenizer, FORGETFUL)
    found = tokenized_by_trl("chat", tiny_qwen3(1), tokenizer, tmp_path)
    thought = tokenizer(EMPTY_THOUGHT, add_special_tokens=False)["input_ids"]
    for row, own in zip(found, ours(tokenizer, "chat"), strict=True):
        assert row["prompt_ids"] + thought == own["prompt_ids"]
