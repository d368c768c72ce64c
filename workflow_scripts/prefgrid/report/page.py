"""The report: one HTML file that opens offline. Same context, same bytes. Links lead to files beside it,
so they hold wherever `results/` lies.

Every piece of data is escaped by the template; the sample browser's data travels as JSON and is
put on the page as text, never as markup.
"""

import json
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from prefgrid.report import costs

TEMPLATES = Path(__file__).with_name("templates")


def render(context: dict[str, Any]) -> str:
    """The page.

    `context` keys: `title`, `subtitle`; `folder`, the run's; `run`, (label, value) rows of
    `masthead.rows`; `studies`, a list of sections (below); `quality`, named groups of (label, value)
    rows about the world's models, or None; `config`, the resolved one as text; `provenance`, see
    `origin.summarise`.

    A section: `id`, `title`, `question`, `facts` (list of (label, value)), `findings` (list of
    {heading, sentences, verdict}), `figures` and `tables` (see `blocks`), `samples` (see
    `samples.browser`) or None; `how`, how the study is made, may be left out. Studies add sections;
    the page needs no change.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["script_json"] = script_json
    environment.filters["duration"] = costs.duration
    environment.filters["memory"] = costs.memory
    return environment.get_template("report.html.j2").render(context)


def script_json(value: Any) -> Markup:
    """JSON that may stand inside a <script> element: nothing in it can close the element."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
