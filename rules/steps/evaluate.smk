# Reward and KL of every policy over a scan of β, on held-out prompts.

FILES, SETTINGS, CODE = made_from("evaluation")


rule evaluate_policy:
    input:
        FILES,
        policy="results/{study}/policies/{cell}/manifest.json",
        link="results/{study}/policies/{cell}/link.json",
        reference=f"{REFERENCE}/manifest.json",
        reference_weights=ancient(f"{REFERENCE}/model.safetensors"),
    output:
        evaluation="results/{study}/evaluations/{cell}/evaluation.csv",
        samples="results/{study}/evaluations/{cell}/samples.parquet",
        indices="results/{study}/evaluations/{cell}/indices.parquet",
    log:
        "results/logs/evaluate_policy/{study}/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=CODE("steps.evaluate_policy"),
    message:
        "Evaluation: {wildcards.study}, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/evaluate_policy "
        "--policy {input.policy} --link {input.link} "
        "--preferences {input.preferences} --prompts {input.prompts} "
        "--reference-rewards {input.reference_rewards} "
        "--reference-logps {input.reference_logps} --reference {input.reference} "
        "--adapters {input.adapters} --judge {input.judge} "
        "--evaluation {output.evaluation} --samples {output.samples} "
        "--indices {output.indices} --spec {params.spec:q} --code {params.code:q}"
