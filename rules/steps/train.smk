# One policy a cell: the reference with an adapter, trained by the label's objective.


POLICY = f"{ROOT}/policies/{CELL}"


rule train_policy:
    input:
        preferences=f"{PREFERENCES}/preferences.jsonl",
        logps=f"{ROOT}/reference_logps/seed={{seed}}/logps.parquet",
        reference=f"{REFERENCE}/manifest.json",
        weights=ancient(f"{REFERENCE}/model.safetensors"),
    output:
        manifest=f"{POLICY}/manifest.json",
        adapter=f"{POLICY}/adapter_model.safetensors",
        config=f"{POLICY}/adapter_config.json",
        metrics=f"{POLICY}/metrics.jsonl",
        link=f"{POLICY}/link.json",
    log:
        f"results/logs/train_policy/{CELL}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=TRAINING_GPU,
        devices=TRAINING_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=policy_spec,
        code=policy_code,
    message:
        "Policy: {wildcards.method}, seed {wildcards.seed}, shift {wildcards.shift}, n {wildcards.n}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/train_policy "
        "--preferences {input.preferences} --logps {input.logps} --reference {input.reference} "
        "--adapter {output.adapter} --config {output.config} --metrics {output.metrics} "
        "--link {output.link} --manifest {output.manifest} "
        "--spec {params.spec:q} --code {params.code:q}"
