# The mean of the weights of all iterations' policies, as one more policy. Which files its weights are depends on
# what theirs are, so the manifest alone is declared for them.

FILES, SETTINGS, _ = made_from("averaging")


rule average_policies:
    input:
        FILES,
        reference=f"{REFERENCE}/manifest.json",
        reference_weights=ancient(f"{REFERENCE}/model.safetensors"),
    output:
        manifest="results/{study}/averages/{cell}/manifest.json",
    log:
        "results/logs/average_policies/{study}/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("steps.average_policies"),
    message:
        "Average: {wildcards.study}, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} steps/average_policies --policies {input.policies} "
        "--reference {input.reference} --manifest {output.manifest} "
        "--spec {params.spec:q} --code {params.code:q}"
