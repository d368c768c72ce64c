"""Fit the temperature of a judge's logits on held-out comparisons.

Inputs: matrices (parquet of `compare_responses`), comparisons (JSONL of `records.Compared`).
Outputs: calibration (JSON: temperature, at_bound, comparisons, log_loss_raw_nats,
log_loss_calibrated_nats).
Spec: file (number of the comparisons among the files that the matrices were made from).
A comparison's logit is (l_ij − l_ji)/2, which for an antisymmetric judge is l_ij.
"""

from prefgrid.files import reading, records, store
from prefgrid.job import jobs
from prefgrid.judges import compared
from prefgrid.statistics import judge_calibration


def main(job: jobs.Job) -> None:
    rows = reading.read_jsonl(job.inputs["comparisons"], records.Compared)
    table = reading.read_table(job.inputs["matrices"], compared.COLUMNS)
    judged = compared.with_logits(compared.comparisons(rows), table, job.spec["file"])
    logits, probabilities = judged["logit"].to_numpy(), judged["probability"].to_numpy()
    temperature = judge_calibration.temperature(logits, probabilities)
    at_bound = judge_calibration.at_bound(temperature)
    found = {
        "temperature": temperature,
        "at_bound": at_bound,
        "comparisons": len(logits),
        "log_loss_raw_nats": judge_calibration.log_loss(logits, probabilities),
        "log_loss_calibrated_nats": judge_calibration.log_loss(logits / temperature, probabilities),
    }
    if at_bound:
        store.log(
            f"no temperature fits: the best is the bound {temperature:g}, for these {len(logits)} comparisons "
            "are all right, or no better than chance; nothing calibrated follows from it"
        )
    store.write_json(job.outputs["calibration"], found)
    store.log(", ".join(f"{name} {value:.6g}" for name, value in found.items()))


if __name__ == "__main__":
    jobs.run(main, inputs=("matrices", "comparisons"), outputs=("calibration",))
