# What learns from comparisons who beats whom: one model a label, a set of comparisons and a seed, for all studies.

LEARNERS = "|".join(map(re.escape, CONFIG.preference_models))
LEARNED = "|".join(map(re.escape, CONFIG.comparisons))
FILES, SETTINGS, _ = answers(lambda wildcards: preference_models.step(CONFIG, wildcards.cell))


rule train_preference_model:
    input:
        FILES,
        rehearsals=ancient(REHEARSALS),
    output:
        manifest="results/preference_models/{cell}/manifest.json",
        weights="results/preference_models/{cell}/model.safetensors",
        metrics="results/preference_models/{cell}/metrics.jsonl",
    log:
        "results/logs/train_preference_model/{cell}.log",
    wildcard_constraints:
        cell=f"model=({LEARNERS})/on=({LEARNED})/seed=[0-9]+",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=TRAINING_GPU,
        devices=TRAINING_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("steps.train_preference_model"),
    message:
        "Preference model: {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/train_preference_model "
        "--comparisons {input.comparisons} --start {input.start} --manifest {output.manifest} "
        "--weights {output.weights} --metrics {output.metrics} "
        "--spec {params.spec:q} --code {params.code:q}"
