# The hub world: models and data from the Hugging Face hub or from local folders, pinned.

# Nobody assesses models that are not made here.
QUALITY = []


def model_spec(wildcards):
    return spec(
        **getattr(CONFIG.hub.models, wildcards.name).model_dump(),
        name=wildcards.name,
        prompt_format=CONFIG.prompt_format,
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


rule fetch_dataset:
    output:
        data=CONFIG.data.path,
    log:
        "results/logs/fetch_dataset.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(**CONFIG.hub.dataset.model_dump(), fields=CONFIG.data.fields),
        code=fingerprint("worlds.fetch_dataset"),
    message:
        "Fetch the preference dataset"
    shell:
        "exec python -m run_job --log {log} --online worlds/fetch_dataset --data {output.data} "
        "--spec {params.spec:q} --code {params.code:q}"
