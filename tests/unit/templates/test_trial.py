"""Kind of bug: a template that does not show the model what it is given, found at fetch."""

import pytest
from tiny_encoders import pair_tokenizer
from tiny_policy import tiny_model, tiny_tokenizer
from transformers import BertConfig, BertForSequenceClassification

from prefgrid.models.fetching import fetch_model
from prefgrid.models.loading import save_model
from prefgrid.templates.trial import check_template

TURN = "<{{ m.role }}>{{ m.content }}<end>"
EACH = "{% for m in messages %}" + TURN + "{% endfor %}"
# A template that stands for a kind → what the refusal says.
LOSING = {
    "parts only": (
        "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}",
        "the prompt is lost or changed",
    ),
    "a required system turn": (
        "{% if messages[0].role != 'system' %}{{ raise_exception('A system turn is needed') }}"
        "{% endif %}" + EACH,
        "it refuses a prompt: A system turn is needed",
    ),
    "the first turn is the system's": (
        "{{ messages[0].content[:9] }}{% for m in messages[1:] %}" + TURN + "{% endfor %}",
        "the prompt is lost or changed",
    ),
    "lower case": (EACH.replace("m.content", "m.content | lower"), "the prompt is lost"),
    "one line": (
        EACH.replace("m.content", "m.content | replace('\\n', ' ')"),
        "the prompt is lost",
    ),
    "escaped": (EACH.replace("m.content", "m.content | e"), "the prompt is lost"),
    "shortened": (EACH.replace("m.content", "m.content | truncate(500)"), "the prompt is lost"),
    "no prompt": ("{% if add_generation_prompt %}<assistant>{% endif %}", "the prompt is lost"),
    "no finished turn": (
        "{% if add_generation_prompt or messages | length > 1 %}" + EACH + "{% endif %}",
        "the prompt of a finished turn is lost",
    ),
    "two turns refused": (
        "{% if messages | length > 1 %}{{ raise_exception('one turn') }}{% endif %}" + EACH,
        "it refuses a dialogue: one turn",
    ),
    "no response": (
        "{% for m in messages if m.role == 'user' %}" + TURN + "{% endfor %}",
        "the response is lost or changed",
    ),
    "the last turn only": ("{% set m = messages[-1] %}" + TURN, "does not begin with"),
    "another beginning": ("{{ messages | length }}" + EACH, "does not begin with"),
    "an error of its own": ("{{ messages[0].content + 1 }}", "it refuses a prompt: "),
}


def with_template(template):
    tokenizer = tiny_tokenizer()
    tokenizer.name_or_path = "owner/name"
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize("kind", LOSING)
def test_a_template_that_loses_or_changes_a_text_is_refused(kind):
    template, why = LOSING[kind]
    with pytest.raises(ValueError, match="template of 'owner/name' cannot be used: ") as caught:
        check_template(with_template(template), "chat")
    assert why in str(caught.value) and "set prompt_format: raw" in str(caught.value)
    assert len(str(caught.value)) < 800
    check_template(with_template(template), "raw")


@pytest.mark.parametrize(
    "template",
    [
        EACH,
        EACH.replace("m.content", "m.content | trim"),
        "{{ bos_token }}" + EACH + "{% if add_generation_prompt %}<assistant>\n{% endif %}",
        # Qwen 2.5 writes a system turn of its own; Qwen3 an empty thought before the last response.
        "<system>You are helpful.<end>"
        + EACH.replace(
            "{{ m.content",
            "{% if m.role != 'user' %}<think>\n\n</think>\n\n{% endif %}{{ m.content",
        ),
        "{% for m in messages %}{% if m.content is string %}" + TURN + "{% else %}parts{% endif %}"
        "{% endfor %}",
    ],
)
def test_a_template_that_shows_everything_is_taken(template):
    check_template(with_template(template), "chat")


def test_no_template_is_explained():
    with pytest.raises(ValueError, match="has no chat template: .* prompt_format: raw"):
        check_template(with_template(None), "chat")


def test_a_model_with_such_a_template_is_not_fetched(tmp_path):
    template, why = LOSING["parts only"]
    save_model(tmp_path / "raw", tiny_model(vocab_size=258), with_template(template))
    source = str(tmp_path / "raw")
    with pytest.raises(ValueError, match=why):
        fetch_model(source, None, tmp_path / "got", "causal", "chat")
    assert not (tmp_path / "got").exists()
    fetch_model(source, None, tmp_path / "got", "causal", "raw")


def test_an_encoder_needs_no_template_but_a_tokenizer_of_pairs(tmp_path):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = BertForSequenceClassification(BertConfig(vocab_size=260, num_labels=1, **sizes))
    kind = "sequence-classification"
    for name, tokenizer in {"pairs": pair_tokenizer(), "bare": tiny_tokenizer()}.items():
        save_model(tmp_path / name, model, tokenizer)
    for prompt_format in ("chat", "raw"):
        fetch_model(str(tmp_path / "pairs"), None, tmp_path / "got", kind, prompt_format)
        with pytest.raises(ValueError, match="puts no special token between two texts"):
            fetch_model(str(tmp_path / "bare"), None, tmp_path / "bad", kind, prompt_format)
