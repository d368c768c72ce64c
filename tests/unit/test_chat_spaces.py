"""Responses where the tokenizer puts a space before a text of its own (SentencePiece kinds).

The kind of bug: a text tokenized alone is another one than behind its prompt, so a policy is taught
tokens that no rendering of the dialogue has. The oracle is the tokenizer on the whole text.
"""

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from prefgrid import chat

SPECIAL = ["<unk>", "<s>", "</s>", "<|user|>", "<|assistant|>"]
WORDS = ["Blue", "▁Blue", "it", "▁it", "▁is", "Name", "▁Name", "▁a", "▁colour", ".B", "er"]
ZEPHYR = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
PROMPT = "Name a colour."


def unigram(scheme: str) -> Tokenizer:
    """Llama, Phi-3 or T5 kinds by the scheme, which says before which parts of a text a space is put."""
    words = [*SPECIAL, "▁", "\n", *map(chr, range(33, 127)), *WORDS]
    tokenizer = Tokenizer(models.Unigram([(word, -1 / len(word)) for word in words], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    return tokenizer


def prepending() -> Tokenizer:
    """Llama-2's: a normalizer puts the space before every part of a text between special tokens."""
    tokenizer = unigram("never")
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return tokenizer


TOKENIZERS = {
    "always": lambda: unigram("always"),
    "first": lambda: unigram("first"),
    "never": lambda: unigram("never"),
    "prepended by the normalizer": prepending,
}


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request) -> PreTrainedTokenizerFast:
    raw = TOKENIZERS[request.param]()
    raw.add_special_tokens([AddedToken(one, special=True, normalized=False) for one in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<unk>", eos_token="</s>", chat_template=ZEPHYR
    )


@pytest.mark.parametrize("response", ["Blue it is.", " Blue", "it", "\nBlue", ""])
def test_taught_tokens_are_those_of_the_rendered_dialogue(tokenizer, response):
    end = chat.end_id(tokenizer, "chat")
    [taught] = chat.encode_responses(tokenizer, PROMPT, [response], "chat", end)
    [text] = chat.template_texts(tokenizer, [(PROMPT, response)])
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    ours = chat.render_prompt(tokenizer, PROMPT, "chat") + taught
    assert whole[: len(ours)] == ours


@pytest.mark.parametrize("response", ["it is.", " Blue it is.", "?", ""])
def test_raw_dialogues_are_the_tokens_of_both_texts_together(tokenizer, response):
    [(head, tail)] = chat.render_dialogues(tokenizer, [PROMPT], [response], "raw")
    assert head == chat.render_prompt(tokenizer, PROMPT, "raw")
    assert head + tail == tokenizer(PROMPT + response, add_special_tokens=False)["input_ids"]


def test_a_token_across_the_border_is_not_read(tokenizer):
    """ ".B" is one token of both texts, but a response begins behind the prompt's own tokens."""
    [(head, tail)] = chat.render_dialogues(tokenizer, [PROMPT], ["Ber"], "raw")
    assert head == chat.render_prompt(tokenizer, PROMPT, "raw")
    assert tokenizer.convert_ids_to_tokens(tail) == ["B", "er"]


def test_a_tokenizer_that_joins_lines_reads_the_response_alone():
    """Where even the start of a line has a token across the border."""
    raw = Tokenizer(models.Unigram([("<unk>", 0.0), ("\n", -1.0), ("\nx", -0.1), ("x", -1.0)], 0))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>")
    assert chat.continuations(tokenizer, [("\n", "x")]) == [[3]]
