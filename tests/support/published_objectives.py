"""Option values of the published SPO learners (code of arXiv 2512.21917, language-model version).

They are the entries `<objective>_published` of `methods` in config.yaml, not branches in the code:
`OPTIONS[label]` is what stands under `options:` of that label.

The published loop sums the losses of 4 micro-batches and clips the gradient at 1.0.  Adam does not
see a constant factor of the loss, so with losses that are averaged the same update needs the clip
at 0.25.  Micro-batch counts become optimizer steps by division by 4: refits every 50 micro-batches
are every 12.5 steps.  RSPO paired within micro-batches of 4.
"""

from pathlib import Path

import yaml

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"

# Of other papers.
OTHERS = ("softpo_published", "sppo_published", "gpo_published")
OPTIONS = {
    label: method["options"]
    for label, method in yaml.safe_load(CONFIG.read_text())["methods"].items()
    if label.endswith("_published") and label not in OTHERS
}
