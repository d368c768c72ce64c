# A policy as one model, on request: merged into what it starts from.

FILES, SETTINGS, _ = made_from("export")


rule export_policy:
    input:
        FILES,
        reference=f"{REFERENCE}/manifest.json",
        reference_weights=ancient(f"{REFERENCE}/model.safetensors"),
    output:
        manifest="results/{study}/exports/{cell}/manifest.json",
        weights="results/{study}/exports/{cell}/model.safetensors",
        config="results/{study}/exports/{cell}/config.json",
        tokenizer="results/{study}/exports/{cell}/tokenizer.json",
    log:
        "results/logs/export_policy/{study}/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("steps.export_policy"),
    message:
        "Export: {wildcards.study}, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} steps/export_policy "
        "--policy {input.policy} --reference {input.reference} --adapters {input.adapters} "
        "--weights {output.weights} --config {output.config} --tokenizer {output.tokenizer} "
        "--manifest {output.manifest} --spec {params.spec:q} --code {params.code:q}"
