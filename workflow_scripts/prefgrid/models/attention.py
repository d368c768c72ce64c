"""Which attention implementation a model gets.

A choice that the config asks for is written into the fetched model's own config.json, which goes with
the model into everything made of it; so every later job agrees, and only the fetch knows the key.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

AUTO = "auto"
FLASH = "flash_attention_2"
# Key of config.json; absent: auto.
KEY = "prefgrid_attention"
# What configs call a bound of the attention scores, which sdpa leaves out without a word.
SCORE_CAPS = ("attn_logit_softcapping",)


def implementation(config: Any) -> str | None:
    """What transformers is told for a model with this config; None: its own choice, sdpa wherever
    the model has it, else eager."""
    asked = getattr(config, KEY, AUTO)
    if asked != AUTO:
        return asked
    return "eager" if _capped(config) else None


def ask(model: Any, asked: str) -> None:
    """Write into the config of `model` which implementation is wanted, for all who load it.

    ValueError if that would compute another model than the config describes, or is not there.
    """
    config, kind = model.config, type(model).__name__
    if asked == AUTO:
        # The source may be a model that was fetched with another wish.
        if hasattr(config, KEY):
            delattr(config, KEY)
        return
    if asked == "sdpa" and (cap := _capped(config)):
        raise ValueError(
            f"model.attention sdpa leaves out the bound of this {config.model_type}'s attention "
            f"scores ({cap} in config.json); allowed: auto, eager, {FLASH}"
        )
    has = {"sdpa": model._supports_sdpa, FLASH: model._supports_flash_attn}
    if not has.get(asked, True):
        raise ValueError(
            f"model.attention {asked}: a {kind} has no such implementation; allowed: auto, eager"
        )
    if asked == FLASH and find_spec("flash_attn") is None:
        raise ValueError(
            f"model.attention {FLASH} needs the package flash_attn, which is not installed; "
            "allowed: auto, sdpa, eager"
        )
    setattr(config, KEY, asked)


@contextmanager
def eager(model: Any) -> Iterator[None]:
    """Run `model` with the attention that its own code spells out, where it can be exchanged."""
    if not model._can_set_attn_implementation():
        yield
        return
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _capped(config: Any) -> str | None:
    """The key of config.json that bounds attention scores; None if there is none."""
    text = config.get_text_config()
    return next((name for name in SCORE_CAPS if getattr(text, name, None) is not None), None)
