# The reference's log-probabilities of sampled responses, once for all that start from it.

FILES, SETTINGS, _ = made_from("reference_logps")


rule compute_reference_logps:
    input:
        FILES,
        reference=f"{REFERENCE}/manifest.json",
        reference_weights=ancient(f"{REFERENCE}/model.safetensors"),
    output:
        logps="results/{study}/reference_logps/{cell}/logps.parquet",
    log:
        "results/logs/compute_reference_logps/{study}/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("steps.compute_reference_logps"),
    message:
        "Reference log-probabilities: {wildcards.study}, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/compute_reference_logps "
        "--responses {input.responses} --reference {input.reference} "
        "--adapters {input.adapters} --logps {output.logps} "
        "--spec {params.spec:q} --code {params.code:q}"
