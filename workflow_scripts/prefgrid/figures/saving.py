"""Writing a finished figure as SVG and PNG."""

import io
import textwrap
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from prefgrid.figures.dark import with_dark
from prefgrid.figures.layout import EDGE_INCHES, LETTER_INCHES
from prefgrid.figures.style import QUIET, theme
from prefgrid.files import store

PNG_DPI = 160
FOOT_SIZE = 8.5
# Of a letter of that size, to one of the subtitle's.
FOOT_SHARE = 0.87


def save(figure: Figure, svg: Path | str, png: Path | str, title: str, sources: str) -> None:
    """Write both files atomically; the same figure gives the same bytes.

    title: that of the files' metadata. sources: the run, models and data that it is about, written at its
    foot; "" if there are none. The files are as large as what is drawn: where labels reach
    beyond the figure, so do they.
    """
    metadata = {"Title": f"{title}. {sources}" if sources else title}
    with theme():
        _foot(figure, sources)
        canvas = _canvas(figure)
        for path, kind, undated in (
            (svg, "svg", {"Date": None, "Creator": None}),
            (png, "png", {"Software": None}),
        ):
            buffer = io.BytesIO()
            figure.savefig(
                buffer,
                format=kind,
                dpi=PNG_DPI,
                metadata=metadata | undated,
                bbox_inches=canvas,
            )
            made = buffer.getvalue()
            with store.replacing(path) as temporary:
                temporary.write_bytes(with_dark(made) if kind == "svg" else made)


def _foot(figure: Figure, sources: str) -> None:
    """Below the figure's own area."""
    width = figure.get_figwidth()
    letters = (width - 2 * EDGE_INCHES) / (LETTER_INCHES * FOOT_SHARE)
    figure.text(
        EDGE_INCHES / width,
        0.0,
        "\n".join(textwrap.wrap(sources, int(letters))),
        fontsize=FOOT_SIZE,
        parse_math=False,  # a name may have dollar signs
        color=QUIET,
        va="top",
        linespacing=1.35,
    )


def _canvas(figure: Figure) -> Bbox:
    """The figure's area in inches, wider on each side where something reaches beyond it."""
    width, height = figure.get_size_inches()
    drawn = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    return Bbox.from_extents(
        drawn.x0 - EDGE_INCHES if drawn.x0 < 0 else 0,
        drawn.y0 - EDGE_INCHES if drawn.y0 < 0 else 0,
        drawn.x1 + EDGE_INCHES if drawn.x1 > width else width,
        drawn.y1 + EDGE_INCHES if drawn.y1 > height else height,
    )
