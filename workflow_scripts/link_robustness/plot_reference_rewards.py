"""Draw the histogram of the reference's rewards, the first figure of a run.

Inputs: rewards (JSONL of scored pairs, one file a seed). Outputs: svg, png.
Spec: empty.
"""

import pandas

from prefgrid.figures import style
from prefgrid.files import grid, records
from prefgrid.job import jobs
from prefgrid.studies.link_robustness.figures import rewards as figure


def main(job: jobs.Job) -> None:
    pairs = grid.read_grid(job.inputs["rewards"], records.Scored)
    rewards = pandas.concat(
        [
            pandas.DataFrame({"prompt_id": pairs["prompt_id"], "reward": pairs[column]})
            for column in ("reward_0", "reward_1")
        ]
    )
    drawn = figure.draw(rewards)
    style.save(drawn, job.outputs["svg"], job.outputs["png"])


if __name__ == "__main__":
    jobs.run(main, inputs=("rewards*",), outputs=("svg", "png"), shared_folder=True)
