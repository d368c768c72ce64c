"""A model as AlpacaEval takes it: an entry of its `models_configs`, and the template of the prompts.

By vLLM, with `vllm_local_completions` of alpaca_eval 0.6.6. That gives vLLM the prompt as text, and vLLM's
tokenizer puts its start token before it: so the template here has none of its own where the tokenizer adds
one. (SPPO's published templates have one more; models then answer prompts that they were not trained on.)
"""

import re
from collections.abc import Sequence
from typing import Any

import yaml

from prefgrid import chat
from prefgrid.models.loading import DTYPES

PLACEHOLDER = "{instruction}"
# What AlpacaEval fills in, by its own pattern.
PLACEHOLDERS = re.compile(r"{[^ \s]+?}")
PROMPT = "prompt.txt"


def template(tokenizer: Any, prompt_format: str) -> str:
    """The text of a prompt with PLACEHOLDER in the instruction's place, of which the tokenizer makes the ids
    of `chat.render_prompt`.

    ValueError where there is no such text, as where a template has its own placeholders.
    """
    text = chat.prompt_text(tokenizer, PLACEHOLDER, prompt_format)
    if PLACEHOLDERS.findall(text) != [PLACEHOLDER]:
        raise ValueError(
            f"the template of {str(tokenizer.name_or_path)!r} gives {text!r}, of which AlpacaEval would fill in "
            f"{PLACEHOLDERS.findall(text)}; allowed: {PLACEHOLDER} once and nothing else"
        )
    wanted = chat.render_prompt(tokenizer, chat.PROMPT, prompt_format)
    for one in (text, text.removeprefix(tokenizer.bos_token or "")):
        if tokenizer(one.replace(PLACEHOLDER, chat.PROMPT))["input_ids"] == wanted:
            return one
    raise ValueError(
        f"the tokenizer of {str(tokenizer.name_or_path)!r} makes other tokens of {text!r}, with or without its "
        "start token, than the model was trained on; AlpacaEval can ask it by a server of chat completions alone"
    )


def entry(
    name: str,
    model: str,
    *,
    stop_ids: Sequence[int],
    precision: str,
    max_new_tokens: int,
    temperature: float,
    top_p: float,
) -> str:
    """configs.yaml of the model `name`, in a folder of that name beside PROMPT.

    model: its folder, as seen from where AlpacaEval runs. stop_ids: tokens that end a response. precision: of
    `DTYPES`. There is no `do_sample`, which published entries have: vLLM knows none, and samples by temperature.
    """
    settings = {
        # AlpacaEval looks for it from `models_configs`, and takes the path itself for the prompt where it
        # finds none; SPPO's published entry and file have different names.
        "prompt_template": f"{name}/{PROMPT}",
        "fn_completions": "vllm_local_completions",
        "completions_kwargs": {
            "model_name": model,
            "model_kwargs": {"dtype": str(DTYPES[precision]).removeprefix("torch.")},
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "stop_token_ids": list(stop_ids),
        },
        "pretty_name": name,
    }
    return yaml.safe_dump({name: settings}, sort_keys=False, allow_unicode=True)
