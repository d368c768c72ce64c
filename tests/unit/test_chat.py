"""The one renderer: what each stage sees, and that the stages agree."""

from types import SimpleNamespace

import pytest
from tiny_policy import tiny_tokenizer
from tokenizers import AddedToken, processors
from transformers import PreTrainedTokenizerFast

from prefgrid import chat
from prefgrid.sampling.request import Response, stop_ids

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
    end = chat.end_id(tokenizer, "raw")
    tokens = chat.encode_responses(tokenizer, "a fox", ["runs ☀"], "raw", end)[0]
    assert tokens[-1] == end == chat.eos_id(tokenizer) == tokenizer.convert_tokens_to_ids("<end>")
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
        chat.end_id(tokenizer, "raw")


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


def with_start_token(*, end: bool):
    """As Llama's or Gemma's, whose post-processor begins every text; some end it, too."""
    backend = tiny_tokenizer().backend_tokenizer
    backend.add_special_tokens(["<bos>", "<turn>", "<unk>"])
    single = "<bos> $A <end>" if end else "<bos> $A"
    backend.post_processor = processors.TemplateProcessing(
        single=single, pair=f"{single} $B", special_tokens=[("<bos>", BOS), ("<end>", BOS - 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<bos>", eos_token="<end>", unk_token="<unk>"
    )


BOS = 258


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("prompt", ["a fox", "", " ☀\n"])
def test_a_raw_prompt_begins_as_the_tokenizer_begins_a_text_and_is_not_ended(prompt, end):
    """Kind of bug: raw text without the tokens that its model has seen before every text."""
    tokenizer = with_start_token(end=end)
    own = tokenizer(prompt)["input_ids"]
    expected = own[:-1] if end else own
    assert expected[0] == BOS
    assert chat.render_prompt(tokenizer, prompt, "raw") == expected
    [(head, tail)] = chat.render_dialogues(tokenizer, [prompt], ["runs"], "raw")
    assert head == expected
    assert tail == tokenizer("runs", add_special_tokens=False)["input_ids"]


def test_a_template_s_own_start_token_is_the_only_one():
    tokenizer = with_start_token(end=True)
    tokenizer.chat_template = "{{ bos_token }}" + TEMPLATE
    tokens = chat.render_prompt(tokenizer, "a fox", "chat")
    assert tokens.count(BOS) == 1 and tokens[0] == BOS
    [(head, tail)] = chat.render_dialogues(tokenizer, ["a fox"], ["runs"], "chat")
    assert (head + tail).count(BOS) == 1 and head[0] == BOS and tail[-1] != BOS - 1


# What stands behind an assistant's text → the token that ends a response.
ENDS = {
    "<turn>\\n": "<turn>",  # Gemma, and Qwen's base models
    " <end>": "<end>",  # Llama 2
    "</assistant>": "<end>",  # no token of its own: the tokenizer's
    "\\n\\n<turn><end>": "<turn>",
    "": "<end>",
    "<unk><turn>": "<turn>",
}


@pytest.mark.parametrize("written", ENDS)
def test_a_response_ends_with_what_the_template_ends_a_turn_with(written):
    """Kind of bug: a model taught to end otherwise than it is asked to, or than decoding stops."""
    tokenizer = with_start_token(end=False)
    tokenizer.add_tokens(AddedToken("\n\n", special=False))
    tokenizer.chat_template = (
        "{% for m in messages %}<bos>{{ m.role }}: {{ m.content | trim }}"
        f"{{% if m.role == 'assistant' %}}{{{{ '{written}' }}}}{{% endif %}}{{% endfor %}}"
    )
    expected = tokenizer.convert_tokens_to_ids(ENDS[written])
    assert chat.end_id(tokenizer, "chat") == expected
    assert chat.end_id(tokenizer, "raw") == tokenizer.eos_token_id
    assert chat.encode_responses(tokenizer, "a fox", ["runs"], "chat", expected)[0][-1] == expected
    model = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=3))
    stops = stop_ids(tokenizer, model, "chat")
    assert stops[0] == expected and set(stops) == {expected, tokenizer.eos_token_id, 3}


def test_the_token_that_ends_a_response_is_not_said_even_if_it_is_not_special():
    tokenizer = with_start_token(end=False)
    tokenizer.add_tokens(AddedToken("<stop>", special=False))
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<stop>{% endfor %}"
    end = chat.end_id(tokenizer, "chat")
    assert end == tokenizer.convert_tokens_to_ids("<stop>")
    tokens = chat.encode_responses(tokenizer, "a fox", ["runs"], "chat", end)[0]
    assert chat.decode_response(tokenizer, Response(tokens, "stop").said) == "runs"
    assert chat.decode_response(tokenizer, Response(tokens[:-1], "length").said) == "runs"
