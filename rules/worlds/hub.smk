# The hub world: models and data from the Hugging Face hub or from local folders, pinned.

import re

from prefgrid.plan import local_sources

# Nobody assesses models that are not made here.
QUALITY = []
# But they are tried before anything is made from them, with what somebody does with them. Always these
# two: other inputs, and not other contents, would make the reference anew. Further models of judges are
# tried for those who ask them.
TRIALS = rehearsal.specs(CONFIG, WIRING.values())
REHEARSALS = [f"results/rehearsals/{name}/rehearsal.json" for name in ("base", "reward")]
JUDGES = CONFIG.hub.models.judges

# What all else comes from, as far as it is named.
SOURCE_FILES = ["results/models/base/manifest.json"]
if CONFIG.hub.models.reward is not None:
    SOURCE_FILES.append(f"{REWARD}/manifest.json")
SOURCE_FILES += [f"results/{folder}/train.jsonl" for folder in FETCHED]
SOURCE_FILES += [f"results/models/judges/{label}/manifest.json" for label in JUDGES]


def model_spec(wildcards):
    return spec(
        **local_sources.origin(getattr(CONFIG.hub.models, wildcards.name)),
        name=wildcards.name,
        prompt_format=CONFIG.prompt_format,
        prompt_date=CONFIG.prompt_date.isoformat(),
        attention=CONFIG.model.attention,
    )


rule fetch_model:
    output:
        manifest="results/models/{name}/manifest.json",
        weights="results/models/{name}/model.safetensors",
        config="results/models/{name}/config.json",
        tokenizer="results/models/{name}/tokenizer.json",
    log:
        "results/logs/fetch_model/{name}.log",
    wildcard_constraints:
        name="base|reward",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=model_spec,
        code=fingerprint("worlds.fetch_model"),
    message:
        "Fetch the {wildcards.name} model"
    shell:
        "exec python -m run_job --log {log} --online worlds/fetch_model --weights {output.weights} "
        "--config {output.config} --tokenizer {output.tokenizer} --manifest {output.manifest} "
        "--spec {params.spec:q} --code {params.code:q}"


if JUDGES:

    def judge_model_spec(wildcards):
        return spec(
            **local_sources.origin(JUDGES[wildcards.label]),
            label=wildcards.label,
            prompt_date=CONFIG.prompt_date.isoformat(),
        )

    rule fetch_judge_model:
        output:
            manifest="results/models/judges/{label}/manifest.json",
            weights="results/models/judges/{label}/model.safetensors",
            config="results/models/judges/{label}/config.json",
            tokenizer="results/models/judges/{label}/tokenizer.json",
        log:
            "results/logs/fetch_judge_model/{label}.log",
        wildcard_constraints:
            label="[^/]+",
        conda:
            "../../envs/prefgrid.yaml"
        resources:
            mem_mb=mem_mb,
            runtime=runtime,
        params:
            spec=judge_model_spec,
            code=fingerprint("worlds.fetch_judge_model"),
        message:
            "Fetch the judges' model {wildcards.label}"
        shell:
            "exec python -m run_job --log {log} --online worlds/fetch_judge_model "
            "--weights {output.weights} --config {output.config} --tokenizer {output.tokenizer} "
            "--manifest {output.manifest} --spec {params.spec:q} --code {params.code:q}"


def rehearsed(file):
    """The file of the model, if anybody uses it."""

    def path(wildcards):
        used = rehearsal.asks(TRIALS[wildcards.name])
        return f"results/models/{wildcards.name}/{file}" if used else []

    return path


def rehearsal_spec(wildcards):
    return spec(**TRIALS[wildcards.name])


# What its code and spec are changes with the studies; the models, and all that is made from them, do not.
rule rehearse_model:
    input:
        model=rehearsed("manifest.json"),
        weights=ancient(rehearsed("model.safetensors")),
    output:
        rehearsal="results/rehearsals/{name}/rehearsal.json",
    log:
        "results/logs/rehearse_model/{name}.log",
    wildcard_constraints:
        name="|".join(map(re.escape, TRIALS)),
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=rehearsal_spec,
        code=fingerprint("worlds.rehearse_model"),
    message:
        "Rehearse what this run does with the {wildcards.name} model"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} worlds/rehearse_model "
        "--model {input.model} --rehearsal {output.rehearsal} "
        "--spec {params.spec:q} --code {params.code:q}"
