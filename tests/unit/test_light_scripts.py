"""Jobs that need no model must not pay seconds for importing torch."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
LIGHT = (
    "worlds.write_tiny_data",
    "steps.build_prompt_pools",
    "steps.collect_comparisons",
    "link_robustness.label_preferences",
    "link_robustness.export_preferences",
    "steps.adopt_reference",
    "steps.gather_table",
    "steps.calibrate_judge",
    "link_robustness.tabulate_results",
    "single_index.tabulate_single_index",
    "soft_policy.tabulate_soft_policy",
    "pairwise_judges.tabulate_pairwise_judges",
    "self_play.divide_prompts",
    "self_play.make_targets",
    "self_play.export_self_play",
    "self_play.measure_run",
    "self_play.tabulate_self_play",
    "steps.draw_figure",
    "steps.describe_study",
    "steps.build_report",
)

# What scripts import by a name in their spec.
FIGURES = sorted((SCRIPTS / "prefgrid" / "studies").glob("*/figures/*.py"))
SECTIONS = sorted((SCRIPTS / "prefgrid" / "studies").glob("*/section.py"))
COMPARISONS = [
    *(SCRIPTS / "prefgrid" / "comparisons").glob("*.py"),
    SCRIPTS / "prefgrid/tinyworld/closings.py",
]
CHOSEN = tuple(
    path.relative_to(SCRIPTS).with_suffix("").as_posix().replace("/", ".")
    for path in (*FIGURES, *SECTIONS, *sorted(COMPARISONS))
    if path.name != "__init__.py"
)


@pytest.mark.parametrize("script", (*LIGHT, *CHOSEN, "prefgrid.data.ultrafeedback"))
def test_script_imports_no_torch(script: str) -> None:
    program = (
        f"import sys, {script}; "
        "sys.exit(', '.join({'torch', 'transformers'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
