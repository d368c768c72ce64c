# The reference checkpoint: the base model, fine-tuned on supervised data if the config says so. Everything
# else that runs a model comes after it, so it waits until fetched models have been rehearsed.

if CONFIG.reference.sft is None:

    rule adopt_reference:
        input:
            manifest="results/models/base/manifest.json",
            weights=ancient("results/models/base/model.safetensors"),
            rehearsals=ancient(REHEARSALS),
        output:
            manifest=f"{REFERENCE}/manifest.json",
            weights=f"{REFERENCE}/model.safetensors",
            config=f"{REFERENCE}/config.json",
            tokenizer=f"{REFERENCE}/tokenizer.json",
        log:
            "results/logs/adopt_reference.log",
        conda:
            "../../envs/prefgrid.yaml"
        resources:
            mem_mb=light_mem_mb,
            runtime=light_runtime,
        params:
            spec=spec(),
            code=fingerprint("steps.adopt_reference"),
        message:
            "Reference: the base model as it is"
        shell:
            "exec python -m run_job --log {log} steps/adopt_reference --base {input.manifest} "
            "--weights {output.weights} --config {output.config} --tokenizer {output.tokenizer} "
            "--manifest {output.manifest} --spec {params.spec:q} --code {params.code:q}"

else:

    SFT = CONFIG.training_of(CONFIG.reference.sft.training)

    rule train_reference:
        input:
            manifest="results/models/base/manifest.json",
            weights=ancient("results/models/base/model.safetensors"),
            data=CONFIG.data.path,
            rehearsals=ancient(REHEARSALS),
        output:
            manifest=f"{REFERENCE}/manifest.json",
            weights=f"{REFERENCE}/model.safetensors",
            config=f"{REFERENCE}/config.json",
            tokenizer=f"{REFERENCE}/tokenizer.json",
            metrics=f"{REFERENCE}/metrics.jsonl",
        log:
            "results/logs/train_reference.log",
        conda:
            "../../envs/prefgrid.yaml"
        resources:
            gpu=TRAINING_GPU,
            devices=TRAINING_DEVICES,
            mem_mb=mem_mb,
            runtime=runtime,
        params:
            spec=spec(
                # All replicates share it: its seed is the training's own.
                sft=CONFIG.reference.sft.model_dump(exclude={"training"}) | {"seed": SFT.seed},
                training=SFT.options,
                data=CONFIG.data.reading,
                prompt_format=CONFIG.prompt_format,
                max_prompt_tokens=CONFIG.max_prompt_tokens,
                max_response_tokens=CONFIG.max_response_tokens,
            ),
            code=fingerprint("steps.train_reference", "prefgrid.objectives.sft", CONFIG.data.module),
        message:
            "Reference: supervised fine-tuning of the base model"
        shell:
            "exec python -m run_job --log {log} --gpus {resources.devices} steps/train_reference "
            "--base {input.manifest} --data {input.data} --weights {output.weights} "
            "--config {output.config} --tokenizer {output.tokenizer} --metrics {output.metrics} "
            "--manifest {output.manifest} --spec {params.spec:q} --code {params.code:q}"
