"""AlpacaEval's template gives a model the very tokens that it was trained on, in each kind of tokenizer.

The oracle is AlpacaEval's own way: the instruction takes the placeholder's place, and the tokenizer reads the
text as it reads any, with what it puts before it.
"""

import re

import pytest
import yaml
from tiny_policy import tiny_tokenizer
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from prefgrid import chat
from prefgrid.models import alpaca_eval

LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>"
    "{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
# Thinking is switched off by an empty thought.
QWEN_3 = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
INSTRUCTIONS = [
    "What is a fox?",
    "Write {json: {}} with {instruction}, or $1 \\n, in one line.",
    "Zeile eins\nZeile zwei ☀ [INST]",
    "None",
]


def byte_level(start: str | None, special: tuple[str, ...]) -> PreTrainedTokenizerFast:
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [start, *special]} if start else {})
    return with_start(tokenizer.backend_tokenizer, start)


def with_start(backend: Tokenizer, start: str | None) -> PreTrainedTokenizerFast:
    """One that puts `start` before each text by itself."""
    if start:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{start} $A",
            pair=f"{start} $A $B",
            special_tokens=[(start, backend.token_to_id(start))],
        )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=start, eos_token="<end>")


def sentence_pieces(scheme: str) -> PreTrainedTokenizerFast:
    """A space is put before a text: by the pre-tokenizer's scheme, or by a normalizer as Llama 2 has it."""
    special = ["<unk>", "<s>", "</s>", "<end>"]
    words = [*special, "▁", "\n", "▁[", "[I", *map(chr, range(33, 127))]
    # Longer pieces are likelier, so that a space before a bracket shows.
    backend = Tokenizer(models.Unigram([(word, -1 / len(word)) for word in words], unk_id=0))
    if scheme == "normalizer":
        backend.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    backend.add_special_tokens([AddedToken(one, special=True, normalized=False) for one in special])
    return with_start(backend, "<s>")


FAMILIES = {
    "llama 3": (
        LLAMA_3,
        lambda: byte_level("<|begin_of_text|>", ("<|eot_id|>", "<|start_header_id|>")),
    ),
    "gemma 2": (GEMMA, lambda: byte_level("<bos>", ("<start_of_turn>", "<end_of_turn>"))),
    "qwen 3": (QWEN_3, lambda: byte_level(None, ())),
    "mistral": (MISTRAL, lambda: sentence_pieces("normalizer")),
    "mistral, always": (MISTRAL, lambda: sentence_pieces("always")),
    "mistral, never": (MISTRAL, lambda: sentence_pieces("never")),
    "a template without a start token": (
        MISTRAL.removeprefix("{{ bos_token }}"),
        lambda: byte_level(None, ()),
    ),
}


@pytest.fixture(params=FAMILIES)
def tokenizer(request):
    template, make = FAMILIES[request.param]
    found = make()
    found.chat_template = template
    return found


def asked(tokenizer, text: str, instruction: str) -> list[int]:
    """What the model sees of AlpacaEval's prompt."""
    return tokenizer(text.replace("{instruction}", instruction, 1))["input_ids"]


@pytest.mark.parametrize("prompt_format", chat.FORMATS)
@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_the_model_sees_the_tokens_of_its_training(tokenizer, instruction, prompt_format):
    text = alpaca_eval.template(tokenizer, prompt_format)
    ids = asked(tokenizer, text, instruction)
    assert ids == chat.render_prompt(tokenizer, instruction, prompt_format)
    if tokenizer.bos_token:
        assert ids.count(tokenizer.bos_token_id) == 1 and ids[0] == tokenizer.bos_token_id


def test_the_published_way_has_two_start_tokens(tokenizer):
    """The defect: the template's text as it is, where tokenizers add one."""
    [text] = chat.template_texts(tokenizer, [["{instruction}"]], asks=True)
    count = asked(tokenizer, text, "a fox").count(tokenizer.bos_token_id)
    assert count == (2 if tokenizer.bos_token else 0)


def test_a_start_token_that_no_tokenizer_adds_stays():
    tokenizer = byte_level("<bos>", ("<start_of_turn>", "<end_of_turn>"))
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, bos_token="<bos>", eos_token="<end>"
    )
    tokenizer.chat_template = GEMMA
    assert alpaca_eval.template(tokenizer, "chat").startswith("<bos><start_of_turn>user\n{inst")


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.content }} {{ '{name}' }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
    ],
)
def test_a_template_with_other_placeholders_is_refused(template):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(ValueError, match=r"allowed: \{instruction\} once"):
        alpaca_eval.template(tokenizer, "chat")


def test_a_tokenizer_that_ends_each_text_is_refused():
    """It would put an end token behind the prompt."""
    tokenizer = byte_level("<bos>", ("<start_of_turn>", "<end_of_turn>"))
    backend = tokenizer.backend_tokenizer
    ends = [(one, backend.token_to_id(one)) for one in ("<bos>", "<end>")]
    backend.post_processor = processors.TemplateProcessing(
        single="<bos> $A <end>", special_tokens=ends
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<bos>", eos_token="<end>", chat_template=GEMMA
    )
    with pytest.raises(ValueError, match="with or without its start token"):
        alpaca_eval.template(tokenizer, "chat")


def test_a_tokenizer_that_reads_the_prompt_otherwise_behind_its_start_token_is_refused():
    """One that puts a space before a text, but not behind a start token that the text itself has."""
    tokenizer = sentence_pieces("first")
    tokenizer.chat_template = MISTRAL
    with pytest.raises(ValueError, match="makes other tokens"):
        alpaca_eval.template(tokenizer, "chat")


def test_the_entry_names_the_template_beside_it_and_what_vllm_takes():
    """Keys of the completions are arguments of `vllm_local_completions` (alpaca_eval 0.6.6) and vLLM's
    SamplingParams; the others those that its `models_configs` have."""
    text = alpaca_eval.entry(
        "method=sppo,seed=0",
        "results/self_play/exports/method=sppo/seed=0",
        stop_ids=[5, 7],
        precision="bf16",
        max_new_tokens=64,
        temperature=0.7,
        top_p=1.0,
    )
    assert yaml.safe_load(text) == {
        "method=sppo,seed=0": {
            "prompt_template": "method=sppo,seed=0/prompt.txt",
            "fn_completions": "vllm_local_completions",
            "completions_kwargs": {
                "model_name": "results/self_play/exports/method=sppo/seed=0",
                "model_kwargs": {"dtype": "bfloat16"},
                "max_new_tokens": 64,
                "temperature": 0.7,
                "top_p": 1.0,
                "stop_token_ids": [5, 7],
            },
            "pretty_name": "method=sppo,seed=0",
        }
    }
    assert re.match(r"method=sppo,seed=0:\n", text)
