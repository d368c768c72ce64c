"""Does a chat template show the model the prompt and the response that it is given?

Some templates know content of several parts only, or take the first turn for a system's; what they
then drop would go unnoticed through a whole study.
"""

from typing import Any

from prefgrid import chat

INERT = True

# Everything that a template might drop, escape, case, shorten or take for its own; no white space
# at the ends, which a template may trim.
PROMPTS = (
    "Which comes FIRST, \u00c9tude or {{ a < b }} & 'c'?\n\n\tSay  it \u2600 plainly\\n.",
    " ".join(f"Line {number} of a long task." for number in range(400)),
)
RESPONSE = 'The \u00c9tude: 1 < 2 & {{ 3 }},\n\n* plainly  \u2600 "said".'
SHOWN = 80


def check_template(tokenizer: Any, prompt_format: str) -> None:
    """ValueError if what the tokenizer renders for a prompt or a response lacks a part of it.

    Renders two prompts and a response, as text; what a template trims at the ends may be lost.
    """
    chat.check_format(tokenizer, prompt_format)
    if prompt_format != "chat":
        return
    for prompt in PROMPTS:
        asked = _rendered(tokenizer, "a prompt", [prompt], asks=True)
        _require(tokenizer, prompt in asked, "the prompt", prompt, asked)
        alone = _rendered(tokenizer, "a finished prompt", [prompt])
        _require(tokenizer, prompt in alone, "the prompt of a finished turn", prompt, alone)
        whole = _rendered(tokenizer, "a dialogue", [prompt, RESPONSE])
        _require(tokenizer, RESPONSE in whole, "the response", RESPONSE, whole)
        if not whole.startswith(alone):
            raise _error(
                tokenizer,
                f"a prompt with its response does not begin with what the prompt alone is rendered "
                f"as: {_few(whole)} does not begin with {_few(alone)}",
            )


def _rendered(tokenizer: Any, what: str, turns: list[str], *, asks: bool = False) -> str:
    try:
        return chat.template_texts(tokenizer, [turns], asks=asks)[0]
    # A template may raise anything: its own refusals, jinja's, Python's.
    except Exception as error:
        [why, *_] = str(error).splitlines() or [repr(error)]
        raise _error(tokenizer, f"it refuses {what}: {why}") from error


def _require(tokenizer: Any, holds: bool, what: str, text: str, rendered: str) -> None:
    if not holds:
        raise _error(
            tokenizer,
            f"{what} is lost or changed: of {_few(text)} it makes {_few(rendered)}",
        )


def _error(tokenizer: Any, what: str) -> ValueError:
    return ValueError(
        f"the chat template of {str(tokenizer.name_or_path)!r} cannot be used: {what}. Needed is a "
        "template that shows a user's and an assistant's text as they are, without a system turn: "
        "use another model, give it such a template (chat_template.jinja in a local folder), or set "
        "prompt_format: raw"
    )


def _few(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} … {text[-SHOWN // 2 :]}")
