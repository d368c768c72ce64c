"""Tokenizers that join two texts as BERT's and RoBERTa's do, for the tests beside it."""

from tiny_policy import tiny_tokenizer
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

START, SEPARATOR = 258, 259


def pair_tokenizer(*, types: bool = True, twice: bool = False) -> PreTrainedTokenizerFast:
    """[CLS] a [SEP] b [SEP], with token types unless `types` is off; RoBERTa separates `twice`."""
    backend = tiny_tokenizer().backend_tokenizer
    backend.add_special_tokens(["[CLS]", "[SEP]"])
    between = "[SEP] [SEP]" if twice else "[SEP]"
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair=f"[CLS] $A {between} $B:1 [SEP]:1",
        special_tokens=[("[CLS]", START), ("[SEP]", SEPARATOR)],
    )
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=names if types else [names[0], names[2]],
    )
