"""Steps of studies that ask judges which of K responses is better."""

from prefgrid.studies.base import Paths, Step


def matrices(judge: Step, groups: Paths, at_once: int | None = None) -> Step:
    """Of `compare_responses`, by a judge as `Wiring.judge` gives it. groups: files whose responses are
    compared. at_once: prompts that are compared together and kept for a rerun; None: a file's."""
    return Step(
        {"groups": groups, **judge.inputs},
        {**judge.spec, "at_once": at_once},
        weights=judge.weights,
        modules=judge.modules,
    )


def calibration(matrices: str, comparisons: str, file: int) -> Step:
    """Of `calibrate_judge`: comparisons are those of file number `file` of the matrices."""
    return Step({"matrices": matrices, "comparisons": comparisons}, {"file": file})
