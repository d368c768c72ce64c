"""Kind of bug: a prompt that depends on when a stage renders it.

The oracle is the stock template under a clock that stands at the fixed date.
"""

from datetime import date, datetime

import pytest
from tiny_policy import tiny_model, tiny_tokenizer
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

from prefgrid import chat
from prefgrid.models.fetching import fetch_model
from prefgrid.models.loading import load_tokenizer, save_model
from prefgrid.templates import dates

DAY = date(2024, 2, 29)
TURNS = "{% for m in messages %}{{ m.role }}: {{ m.content }}<end>\n{% endfor %}"
# As models have them: at the top, in a branch, in a macro of theirs, with white space to strip.
TEMPLATES = {
    "granite": "{{- 'Today: ' + strftime_now('%B %d, %Y') + '.\\n' }}" + TURNS,
    "llama 3.2": (
        "{{- bos_token }}\n{%- if not date_string is defined %}\n"
        "    {%- if strftime_now is defined %}\n"
        '        {%- set date_string = strftime_now("%d %b %Y") %}\n'
        '    {%- else %}\n        {%- set date_string = "26 Jul 2024" %}\n'
        "    {%- endif %}\n{%- endif %}\n<s>{{ date_string }}</s>\n" + TURNS
    ),
    "gpt-oss": (
        "{%- macro system() %}\n  {{ 'On ' + strftime_now(\"%Y-%m-%d\") + '\\n' }}{%- endmacro %}\n"
        "    {% if messages %}\n  {{ system() }}{% endif %}\n" + TURNS
    ),
    "first line indented": "   {% if true %}\n  It's {{ strftime_now('%a %e') }}{% endif %}"
    + TURNS,
    "begins with lines": "\n\n{{ strftime_now(format='%H:%M') }}\n" + TURNS,
    "several, one of them twice": (
        "{{ strftime_now('%Y') | int + 1 }} {{ strftime_now('%j') }} {{ strftime_now('%Y') }}"
        + TURNS
    ),
    "quotes": "{{ strftime_now('it\\'s \"%y\" {%%} \\\\n') }}" + TURNS,
    "pieces": "{{ strftime_now('%d' ~ '.%m') }}" + TURNS,
}


def clock(monkeypatch, *today: int):
    class Standing(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(*today)

    monkeypatch.setattr(chat_template_utils, "datetime", Standing)


def renderings(tokenizer):
    return (
        chat.template_texts(tokenizer, [["a fox"]], asks=True),
        chat.template_texts(tokenizer, [["a fox", "runs"]]),
    )


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_pinned_template_renders_the_fixed_date_whatever_the_clock_says(monkeypatch, name):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATES[name]
    clock(monkeypatch, DAY.year, DAY.month, DAY.day)
    expected = renderings(tokenizer)
    clock(monkeypatch, 2031, 12, 1, 13, 5)
    assert renderings(tokenizer) != expected, "the clock is not read"
    dates.pin(tokenizer, DAY)
    assert renderings(tokenizer) == expected
    clock(monkeypatch, 1999, 10, 17, 23, 59)
    assert renderings(tokenizer) == expected


def test_a_template_that_does_not_read_the_clock_keeps_its_bytes():
    default = "{% set date_string = date_string or '26 Jul 2024' %}{{ date_string }}" + TURNS
    for template in (TURNS, "\n  " + default, "{% if strftime_now is defined %}!{% endif %}"):
        assert dates.pinned(template, DAY) == template
    bare = tiny_tokenizer()
    dates.pin(bare, DAY)
    assert bare.chat_template is None


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ strftime_now('%' ~ messages[0].content) }}", "a format that it puts together"),
        ("{% set now = strftime_now %}{{ now('%d') }}", "hands strftime_now on"),
        ("{% if %}{{ strftime_now('%d') }}", "Expected an expression"),
    ],
)
def test_a_clock_that_cannot_be_fixed_is_refused(template, why):
    tokenizer = tiny_tokenizer()
    tokenizer.name_or_path = "owner/name"
    tokenizer.chat_template = template
    with pytest.raises(ValueError, match=f"the chat template of 'owner/name': .*{why}"):
        dates.pin(tokenizer, DAY)


def test_of_several_templates_the_one_in_use_is_pinned():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = {"default": TEMPLATES["granite"], "tool_use": "tools"}
    dates.pin(tokenizer, DAY)
    assert "February 29, 2024" in chat.template_texts(tokenizer, [["a"]])[0]
    tokenizer.chat_template = {"rag": TURNS, "tool_use": TURNS}
    with pytest.raises(ValueError, match="multiple chat templates with no default"):
        dates.pin(tokenizer, DAY)


@pytest.mark.parametrize("several", [False, True])
def test_a_fetched_model_carries_its_date(tmp_path, monkeypatch, several):
    """From a chat_template.jinja beside the weights; whoever loads the folder renders the same."""
    tokenizer = tiny_tokenizer()
    template = TEMPLATES["granite"]
    tokenizer.chat_template = {"default": template, "rag": TURNS} if several else template
    save_model(tmp_path / "raw", tiny_model(vocab_size=258), tokenizer)
    assert (tmp_path / "raw/chat_template.jinja").read_text() == template
    fetch_model(str(tmp_path / "raw"), None, tmp_path / "got", "causal", "chat", prompt_date=DAY)
    clock(monkeypatch, DAY.year, DAY.month, DAY.day)
    expected = renderings(tokenizer)
    clock(monkeypatch, 2031, 12, 1)
    for loaded in (
        load_tokenizer(tmp_path / "got"),
        AutoTokenizer.from_pretrained(tmp_path / "got"),
    ):
        assert renderings(loaded) == expected
    assert all(path.is_file() for path in (tmp_path / "got").iterdir())
