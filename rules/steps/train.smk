# One policy a cell: what it starts from, with an adapter or in all its weights, trained by the method's
# objective. Which files the weights are depends on that, so the manifest alone is declared for them.

FILES, SETTINGS, CODE = made_from("policy")


rule train_policy:
    input:
        FILES,
        reference=f"{REFERENCE}/manifest.json",
        reference_weights=ancient(f"{REFERENCE}/model.safetensors"),
        # Also that of a method which the run has only now got.
        rehearsals=ancient(REHEARSALS),
    output:
        manifest="results/{study}/policies/{cell}/manifest.json",
        metrics="results/{study}/policies/{cell}/metrics.jsonl",
        link="results/{study}/policies/{cell}/link.json",
    log:
        "results/logs/train_policy/{study}/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=TRAINING_GPU,
        devices=TRAINING_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=CODE("steps.train_policy"),
    message:
        "Policy: {wildcards.study}, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/train_policy "
        "--data {input.data} --logps {input.logps} --reference {input.reference} "
        "--adapters {input.adapters} --manifest {output.manifest} --metrics {output.metrics} "
        "--link {output.link} --spec {params.spec:q} --code {params.code:q}"
