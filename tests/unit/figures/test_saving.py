"""Files of figures: nothing cut, models named, colours for dark pages."""

import re
from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from prefgrid.figures import dark, layout, saving, style

SOURCES = "Base model: a/b@0123456789ab; reward model: c/d@ba9876543210; dataset: e/f (train)"
WIDE_TICKS = [1.0000001, 1.0000002, 1.0000003]


def drawn(ticks: list[float]) -> Figure:
    """A panel whose label stands beside tick labels of any width."""
    with style.theme():
        figure, axes = layout.frame([2.0], 1, "Title", "subtitle")
        axes[0, 0].plot([0, 1, 2], ticks, color=style.FAMILY_COLOURS["cdpo"], marker="o")
        axes[0, 0].set_yticks(ticks, [f"{tick:.7f} nats a label" for tick in ticks])
        axes[0, 0].set_ylabel("A label in front of them")
        return figure


def saved(figure: Figure, folder, sources: str = "") -> tuple[str, Image.Image]:
    svg, png = folder / "f.svg", folder / "f.png"
    saving.save(figure, svg, png, "What is shown", sources)
    return svg.read_text(), Image.open(png)


def at_the_edge(image: Image.Image) -> bool:
    """Whether anything is drawn in the outermost two pixels."""
    pixels = np.asarray(image.convert("L"))
    frame = [pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]]
    return any(part.min() < 250 for part in frame)


def test_labels_beyond_the_figure_are_whole(tmp_path):
    with style.theme():
        drawn(WIDE_TICKS).savefig(tmp_path / "plain.png", dpi=saving.PNG_DPI)
    assert at_the_edge(Image.open(tmp_path / "plain.png"))
    svg, image = saved(drawn(WIDE_TICKS), tmp_path)
    assert not at_the_edge(image)
    assert image.width > style.WIDTH_INCHES * saving.PNG_DPI
    width = float(re.search(r'width="([\d.]+)pt"', svg).group(1))
    assert width / 72 == pytest.approx(image.width / saving.PNG_DPI, abs=0.02)


def test_a_figure_that_fits_keeps_its_size(tmp_path):
    with style.theme():
        figure, _ = layout.frame([2.0], 1, "Title", "subtitle")
    _, image = saved(figure, tmp_path)
    size = figure.get_size_inches() * saving.PNG_DPI
    assert np.abs(np.array(image.size) - size).max() <= 1


@pytest.mark.parametrize("sources", [SOURCES, "; ".join([SOURCES] * 3)], ids=["one", "three"])
def test_models_are_named_at_the_foot_and_in_the_files(tmp_path, sources):
    plain = saved(drawn([1.0, 2.0, 3.0]), tmp_path)[1]
    svg, image = saved(drawn([1.0, 2.0, 3.0]), tmp_path, sources)
    lines = round((image.height - plain.height) / saving.PNG_DPI / 0.16)
    assert lines >= len(sources) / 150
    assert not at_the_edge(image)
    assert f"<title>What is shown. {sources}</title>" in svg
    assert image.text["Title"] == f"What is shown. {sources}"


def test_a_name_with_dollar_signs_is_no_formula(tmp_path):
    name = r"Run: \$5 and $\nothing$"
    svg, image = saved(drawn([1.0, 2.0, 3.0]), tmp_path, name)
    assert image.text["Title"].endswith(name) and f"{name}</title>" in svg


def test_bytes_are_reproducible_and_undated(tmp_path):
    written = []
    for _ in range(2):
        saved(drawn(WIDE_TICKS), tmp_path, SOURCES)
        written.append([(tmp_path / f"f.{kind}").read_bytes() for kind in ("svg", "png")])
    assert written[0] == written[1]
    svg, png = written[0]
    assert svg.startswith(b"<?xml") and b"<dc:date>" not in svg
    assert png.startswith(b"\x89PNG") and b"atplotlib" not in png


def test_another_program_s_svg_is_refused():
    with pytest.raises(ValueError, match="not written by matplotlib"):
        dark.with_dark(b"<svg/>")


# Simulations of Machado et al. (2009), severity 1, on linear RGB; sRGB and CIELAB as IEC 61966-2-1 and
# CIE 15 define them.
EYES = {
    "normal": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    ratio = TO_XYZ @ rgb / [0.95047, 1, 1.08883]
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(first: str, second: str) -> float:
    """The smallest among kinds of eyes, in CIELAB units."""
    return min(
        float(np.linalg.norm(np.subtract(*(lab(np.clip(eye @ linear(c), 0, 1)) for c in pair))))
        for eye, pair in ((np.array(eye), (first, second)) for eye in EYES.values())
    )


def contrast(colour: str, background: str) -> float:
    """WCAG's ratio."""
    low, high = sorted(float(TO_XYZ[1] @ linear(one)) for one in (colour, background))
    return (high + 0.05) / (low + 0.05)


def test_methods_can_be_told_apart_on_both_backgrounds():
    for look in (str, dark.dark):
        colours = [look(colour) for colour in style.FAMILY_COLOURS.values()]
        worst = min(distance(*pair) for pair in combinations(colours, 2))
        assert worst >= 14
    for colour in (*style.FAMILY_COLOURS.values(), *style.SPARE_COLOURS):
        assert contrast(dark.dark(colour), dark.BACKGROUND) >= 3


def test_what_a_dark_page_shows_stands_out_from_it(tmp_path):
    """Every colour of a figure, after the sheet's own rules: paper is the background, ink is light."""
    svg, _ = saved(drawn([1.0, 2.0, 3.0]), tmp_path, SOURCES)
    sheet = svg[svg.index("@media (prefers-color-scheme: dark)") : svg.index("</style>")]
    rules = re.findall(r'\[style\*="(\w+): (#\w{6})"\]\{\1: (#\w{6}) !important\}', sheet)
    assert len(rules) == 2 * len(dark.COLOURS)
    turned = {(kind, light): other for kind, light, other in rules}
    body = svg[svg.index("</style>") :]
    found = set(re.findall(r"(fill|stroke): (#\w{6})", body))
    shown = {turned.get(one, one[1]).upper() for one in found}
    paper = {dark.BACKGROUND, dark.dark(style.HAIRLINE)}
    assert dark.BACKGROUND in shown and ("fill", "#ffffff") in found
    assert len(shown - paper) >= 3
    for colour in shown - paper:
        assert contrast(colour, dark.BACKGROUND) >= 3, colour
