"""Jobs that need no model must not pay seconds for importing torch."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
LIGHT = (
    "write_tiny_data",
    "build_prompt_pools",
    "label_preferences",
    "export_preferences",
    "adopt_reference",
    "gather_evaluations",
    "tabulate_results",
    "plot_reference_rewards",
    "plot_frontier",
    "plot_robustness",
    "plot_convergence",
    "plot_calibration",
    "plot_training",
    "describe_link_robustness",
    "gather_single_index",
    "tabulate_single_index",
    "plot_single_index_robustness",
    "plot_single_index_frontier",
    "plot_single_index_links",
    "plot_single_index_correlation",
    "describe_single_index",
    "build_report",
)


@pytest.mark.parametrize("script", LIGHT)
def test_script_imports_no_torch(script: str) -> None:
    program = (
        f"import sys, {script}; "
        "sys.exit(', '.join({'torch', 'transformers'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
