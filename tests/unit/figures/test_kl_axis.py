"""The axis of √KL: some ticks at any scale, none over another; κ beyond the scan is said."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from prefgrid.figures import kl_panels, style


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("limit_nats", [2e-5, 0.003, 0.0499, 0.3, 1.0, 3.0, 28.0, 170.0, 2000.0])
def test_ticks_are_several_and_their_labels_stay_apart(limit_nats, columns):
    with style.theme():
        figure, axes = kl_panels.panel_blocks([2.0], columns, 3, "", [], left=0.8, right=0.66)
        axis = axes[0, 0, 0]
        kl_panels.kl_axis(axis, limit_nats, [1.0])
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        boxes = [label.get_window_extent(renderer) for label in axis.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    ticks = np.array(axis.get_xticks()) ** 2
    values = [float(label.get_text()) for label in axis.get_xticklabels()]
    np.testing.assert_allclose(ticks, values, rtol=1e-12)
    assert values[0] == 0 and len(values) >= 3
    assert limit_nats / 2.5 < values[-1] <= limit_nats


def test_kappa_is_named_beside_its_line_or_said_to_lie_beyond():
    with style.theme():
        figure, axes = kl_panels.panel_blocks([2.0], 2, 3, "", [], left=0.8)
        for axis, kappa_nats in zip(axes[0, 0], (0.5, 7.0), strict=True):
            kl_panels.kl_axis(axis, 1.0, [kappa_nats])
            kl_panels.name_kappas(axis, 1.0, [kappa_nats])
        inside, beyond = (axis.texts[0] for axis in axes[0, 0])
        renderer = FigureCanvasAgg(figure).get_renderer()
        assert inside.get_text() == "κ = 0.5" and inside.xy[0] ** 2 == pytest.approx(0.5)
        assert beyond.get_text() == "κ = 7 beyond"
        box, panel = (part.get_window_extent(renderer) for part in (beyond, axes[0, 0, 1]))
    assert panel.x0 < box.x0 and box.x1 < panel.x1
