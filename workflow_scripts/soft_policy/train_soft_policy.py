"""Train a block of seeds of the soft-policy study, one after the other, and measure them exactly.

Inputs: reference (manifest.json). Outputs: policies (safetensors: the kept weights of every seed, named
"seed=K weight"), evaluations, values, steps (CSV), samples, answers (parquet).
Spec: seed (of each replicate, [its own, that of its training]), objective, options, training, beta, drawing,
targets (a list; of none but with many), many (null, or {trained, tested}), task, final_samples,
measure_seconds, transcript, prompt_format.
A loss that is not finite leaves its batch in failed_batch.json beside the outputs.
"""

import pandas
from safetensors.torch import save_file

from prefgrid.files import store
from prefgrid.job import devices, jobs
from prefgrid.models import loading
from prefgrid.sampling.request import DecodingOptions, stop_ids
from prefgrid.studies.soft_policy.numbers import Numbers
from prefgrid.studies.soft_policy.run import Run
from prefgrid.studies.soft_policy.setting import Setting
from prefgrid.studies.soft_policy.targets import chosen
from prefgrid.studies.soft_policy.transcript import Teller, Transcript
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy

TABLES = ("evaluations", "values", "steps", "samples", "answers")


def main(job: jobs.Job) -> None:
    spec, folder = job.spec, job.inputs["reference"].parent
    options = TrainingOptions(**spec["training"])
    tokenizer = loading.load_tokenizer(folder)
    task = dict(spec["task"])
    max_new_tokens = task.pop("max_new_tokens")
    reference = None
    if options.lora is None:
        reference = loading.load_causal_lm(folder).requires_grad_(False).to(devices.device())
    failure = job.finals["policies"].with_name("failed_batch.json")
    failure.unlink(missing_ok=True)
    tables: dict[str, list] = {name: [] for name in TABLES}
    weights = {}
    for replicate, seed in spec["seed"]:
        store.log(f"seed {replicate}")
        tasks, trained = chosen(spec["targets"], spec["many"], task, replicate)
        # It is measured and sampled from before it is trained.
        policy = load_policy(folder, options, seed=seed).to(devices.device())
        setting = Setting(
            objective=spec["objective"],
            objective_options=spec["options"],
            options=options,
            beta=spec["beta"],
            drawing=spec["drawing"],
            trained=trained,
            decoding=DecodingOptions(
                eos_ids=stop_ids(tokenizer, policy, spec["prompt_format"]),
                pad_id=loading.pad_id(tokenizer),
                max_new_tokens=max_new_tokens,
            ),
            final_samples=spec["final_samples"],
            measure_seconds=spec["measure_seconds"],
        )
        numbers = Numbers(tasks, tokenizer, spec["prompt_format"], named=spec["many"] is not None)
        work = job.work / f"seed={replicate}"
        work.mkdir(exist_ok=True)
        teller = Transcript if spec["transcript"] else Teller
        run = Run(setting, numbers, policy, reference, seed, teller)
        outcome = run.train(work=work, failure_path=failure, metrics_path=None)
        for name in TABLES:
            tables[name] += [{"seed": replicate, **row} for row in getattr(outcome, name)]
        weights |= {f"seed={replicate} {name}": weight for name, weight in outcome.weights.items()}
    for name in TABLES:
        path = job.outputs[name]
        # CSV knows no text that looks like a number, as samples do.
        write = store.write_csv if path.suffix == ".csv" else store.write_parquet
        write(path, pandas.DataFrame(tables[name]))
    save_file(weights, job.outputs["policies"])


if __name__ == "__main__":
    jobs.run(main, inputs=("reference",), outputs=("policies", *TABLES))
