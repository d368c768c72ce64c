"""Jobs that need no model must not pay seconds for importing torch."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
LIGHT = (
    "worlds.write_tiny_data",
    "steps.build_prompt_pools",
    "link_robustness.label_preferences",
    "link_robustness.export_preferences",
    "steps.adopt_reference",
    "link_robustness.gather_evaluations",
    "link_robustness.tabulate_results",
    "link_robustness.plot_reference_rewards",
    "link_robustness.plot_frontier",
    "link_robustness.plot_robustness",
    "link_robustness.plot_convergence",
    "link_robustness.plot_calibration",
    "link_robustness.plot_training",
    "link_robustness.describe_link_robustness",
    "single_index.gather_single_index",
    "single_index.tabulate_single_index",
    "single_index.plot_single_index_robustness",
    "single_index.plot_single_index_frontier",
    "single_index.plot_single_index_links",
    "single_index.plot_single_index_correlation",
    "single_index.describe_single_index",
    "steps.build_report",
)


@pytest.mark.parametrize("script", LIGHT)
def test_script_imports_no_torch(script: str) -> None:
    program = (
        f"import sys, {script}; "
        "sys.exit(', '.join({'torch', 'transformers'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
