"""The one renderer: what each stage sees, and that the stages agree."""

import pytest
from tiny_policy import tiny_tokenizer

from prefgrid import chat

# As Qwen3's: a switched-off thinking mode writes an empty thought into the generation prompt.
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
    "{% endif %}"
)


@pytest.fixture
def tokenizer():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def test_a_chat_prompt_ends_where_the_response_begins_with_thinking_off(tokenizer):
    tokens = chat.render_prompt(tokenizer, "a fox", "chat")
    assert tokenizer.decode(tokens) == "<user>a fox</user><assistant><think></think>"
    assert all(isinstance(token, int) for token in tokens)


def test_a_raw_prompt_is_the_bare_text(tokenizer):
    assert tokenizer.decode(chat.render_prompt(tokenizer, "a fox", "raw")) == "a fox"


@pytest.mark.parametrize(
    ("prompt_format", "text"),
    [("chat", "<user>a fox</user><assistant>runs ☀</assistant>"), ("raw", "a foxruns ☀")],
)
def test_a_dialogue_s_parts_join_to_the_whole(tokenizer, prompt_format, text):
    [(head, tail)] = chat.render_dialogues(tokenizer, ["a fox"], ["runs ☀"], prompt_format)
    assert tokenizer.decode(head + tail) == text
    assert tokenizer.decode(head) == text[: text.index("fox") + 3] + "</user>" * (
        prompt_format == "chat"
    )


def test_a_response_ends_with_the_end_token_and_comes_back(tokenizer):
    tokens = chat.encode_response(tokenizer, "runs ☀")
    assert tokens[-1] == chat.eos_id(tokenizer) == tokenizer.convert_tokens_to_ids("<end>")
    assert tokens.count(tokens[-1]) == 1
    assert chat.decode_response(tokenizer, tokens) == "runs ☀"


def test_an_unknown_format_is_named(tokenizer):
    with pytest.raises(ValueError, match="prompt_format 'alpaca': allowed are chat, raw"):
        chat.render_prompt(tokenizer, "a fox", "alpaca")
    with pytest.raises(ValueError, match="prompt_format 'alpaca'"):
        chat.render_dialogues(tokenizer, ["a fox"], ["runs"], "alpaca")


def test_a_tokenizer_without_template_is_explained():
    with pytest.raises(ValueError, match="has no chat template: .* prompt_format: raw"):
        chat.render_prompt(tiny_tokenizer(), "a fox", "chat")


def test_a_tokenizer_without_end_token_is_explained(tokenizer):
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no end-of-sequence token"):
        chat.encode_response(tokenizer, "runs")


@pytest.mark.parametrize("prompt_format", ["chat", "raw"])
def test_dialogues_are_rendered_together_as_alone(tokenizer, prompt_format):
    prompts, responses = ["a fox", "an owl ☀", "a fox"], ["runs", "", "sat and ran"]
    together = chat.render_dialogues(tokenizer, prompts, responses, prompt_format)
    assert together == [
        chat.render_dialogues(tokenizer, [prompt], [response], prompt_format)[0]
        for prompt, response in zip(prompts, responses, strict=True)
    ]
    assert together[0][0] == together[2][0] != together[1][0]
    assert chat.render_dialogues(tokenizer, [], [], prompt_format) == []
