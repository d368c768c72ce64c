"""The tiny world's tokenizer: byte-level BPE with a ChatML template, saved as any other.

All 256 bytes are in it, so every text survives a round trip. Digits are always tokens of their
own. The role words are part of what it learns from, which keeps prompts short.
"""

from collections.abc import Iterable

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from prefgrid.limits.tiny_world import POSITIONS

PAD, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

# Options such as enable_thinking may be passed; this template has no use for them.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# A role with its line end, one digit, a word with its space, marks, white space.
PIECES = r"(?:system|user|assistant)\n|\p{N}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+"
# Words of the judges, beside the text to learn from; repeated, so that each merge pays.
SCAFFOLD = ("system\n", "user\n", "assistant\n", "<score>", "</score>") * 3


def train(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Learn at most `vocabulary` tokens from `texts`; merges are learned in a fixed order.

    ValueError if `vocabulary` cannot hold the 256 bytes and the special tokens.
    """
    special = [PAD, TURN_START, TURN_END]
    smallest = 256 + len(special)
    if vocabulary < smallest:
        raise ValueError(
            f"tiny_world.tokenizer.vocabulary = {vocabulary}; allowed: {smallest} or more"
        )
    core = tokenizers.Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=special,
        show_progress=False,
    )
    core.train_from_iterator([*SCAFFOLD, *texts], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=TURN_END,
        pad_token=PAD,
        model_max_length=POSITIONS,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
