"""Chat templates that tell the model today's date: the date is written into them, once and for all.

Some (Llama 3.2, Granite, gpt-oss) call `strftime_now`, which transformers, vLLM and others provide.
A run takes days and is repeated: its prompts must not depend on when a stage is computed. So a model
that is fetched gets a template with a `strftime_now` of its own, and whoever renders it, here or in
another program, sees the same date.
"""

from datetime import date, datetime, time
from typing import Any

import jinja2
from jinja2 import nodes
from transformers.utils.chat_template_utils import _compile_jinja_template

CLOCK = "strftime_now"


def pin(tokenizer: Any, today: date) -> None:
    """Make `today` the date of the chat template; of several named ones only the one in use stays.

    A template that does not read the clock keeps its text, and what it does without one: a
    `date_string` that it could be given stays its own default. ValueError if it asks for a date in
    a format that is not a literal.
    """
    if not tokenizer.chat_template:
        return
    try:
        template = tokenizer.get_chat_template()
        tokenizer.chat_template = pinned(template, today)
    except (ValueError, jinja2.TemplateError) as error:
        raise ValueError(
            f"the chat template of {str(tokenizer.name_or_path)!r}: {str(error).splitlines()[0]}"
        ) from error


def pinned(template: str, today: date) -> str:
    """The template with an own `strftime_now`, which knows every format that it asks for."""
    if CLOCK not in template:
        return template
    midnight = datetime.combine(today, time())
    known = {form: midnight.strftime(form) for form in _formats(template)}
    if not known:
        return template
    # The line end is the macro's: with trim_blocks, which all chat templates are rendered with, it
    # is removed, and the first line of the template is still a first line.
    return f"{{%- macro {CLOCK}(format) %}}{{{{ {known!r}[format] }}}}{{% endmacro %}}\n{template}"


def _formats(template: str) -> list[str]:
    """The formats that the template asks the clock for, as they stand in it."""
    tree = _compile_jinja_template(template).environment.parse(template)
    calls = [
        call
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name == CLOCK
    ]
    asked = [name for name in tree.find_all(nodes.Name) if name.name == CLOCK]
    tests = [
        test
        for test in tree.find_all(nodes.Test)
        if isinstance(test.node, nodes.Name) and test.node.name == CLOCK
    ]
    if len(asked) != len(calls) + len(tests):
        raise ValueError(f"it hands {CLOCK} on, so its dates cannot be fixed; use another model")
    found = []
    for call in calls:
        given = [*call.args, *(option.value for option in call.kwargs)]
        try:
            [form] = [argument.as_const() for argument in given]
        except (nodes.Impossible, ValueError) as error:
            raise ValueError(
                f"it asks {CLOCK} for a format that it puts together, so its dates cannot be "
                "fixed; use another model"
            ) from error
        found.append(form)
    return list(dict.fromkeys(found))
