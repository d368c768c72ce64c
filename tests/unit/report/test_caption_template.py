"""The one caption of `snakemake --report`: plain text in, the same text on the page."""

from pathlib import Path
from types import SimpleNamespace

import jinja2
from docutils.core import publish_parts

TEMPLATE = Path(__file__).resolve().parents[3] / "rules" / "captions" / "artifact.rst"


def _page(captions: dict[str, str], *output: str) -> str:
    """As snakemake.report renders it."""
    snakemake = SimpleNamespace(config={"captions": captions}, output=output)
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(TEMPLATE.read_text()).render(snakemake=snakemake)
    return publish_parts(text, writer="html5", settings_overrides={"halt_level": 2})["body"]


def test_captions_are_text_and_no_markup():
    text = r"Mean |t|, *all* of a_b_ and `c` at 2\3 σ"
    assert text in _page({"figures/a.svg": text}, "figures/a.svg", "figures/a.png")


def test_a_job_of_several_tables_names_them():
    page = _page({"t/one.csv": "First.", "t/two.csv": "Second."}, "t/one.csv", "t/two.csv")
    assert "one.csv:</strong> First." in page and "two.csv:</strong> Second." in page
