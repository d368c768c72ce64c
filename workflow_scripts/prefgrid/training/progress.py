"""What a run says while it goes on."""

from typing import Any

INERT = True


def progress_line(row: dict[str, Any], steps: int) -> str:
    """One line of the log."""
    accuracy = row["pair_accuracy"]
    shown = "" if accuracy is None else f"  pair accuracy {accuracy:.3f}"
    return f"step {row['step']}/{steps}  loss {row['loss']:.4f}{shown}"
