# Responses of a policy to held-out prompts, each with its entropy and its KL to the base and to the policy before.

FILES, SETTINGS, _ = made_from("held_out")


rule sample_held_out:
    input:
        FILES,
        reference=f"{REFERENCE}/manifest.json",
        reference_weights=ancient(f"{REFERENCE}/model.safetensors"),
    output:
        samples="results/{study}/held_out/{cell}/samples.jsonl",
    log:
        "results/logs/sample_held_out/{study}/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("steps.sample_held_out"),
    message:
        "Held-out samples: {wildcards.study}, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/sample_held_out "
        "--prompts {input.prompts} --reference {input.reference} "
        "--adapters {input.adapters} --policy {input.policy} --samples {output.samples} "
        "--spec {params.spec:q} --code {params.code:q}"
