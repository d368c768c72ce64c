# Data sets from the Hugging Face hub or from local files, pinned: the preference dataset of the hub
# world, and in either world what sets of comparisons and studies read.

from prefgrid.plan import comparison_sets

# Folder below results/ → the job's spec.
FETCHED = comparison_sets.fetches(CONFIG, WIRING.values())


if FETCHED:

    rule fetch_dataset:
        output:
            data="results/{fetched}/train.jsonl",
        log:
            "results/logs/fetch_dataset/{fetched}.log",
        wildcard_constraints:
            fetched="|".join(map(re.escape, FETCHED)),
        conda:
            "../../envs/prefgrid.yaml"
        resources:
            mem_mb=light_mem_mb,
            runtime=light_runtime,
        params:
            spec=lambda wildcards: spec(**FETCHED[wildcards.fetched]),
            code=fingerprint("worlds.fetch_dataset"),
        message:
            "Fetch a dataset into results/{wildcards.fetched}"
        shell:
            "exec python -m run_job --log {log} --online worlds/fetch_dataset --data {output.data} "
            "--spec {params.spec:q} --code {params.code:q}"
