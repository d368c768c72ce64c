# Responses to prompts of a pool, by the reference or by a policy stacked on it.

FILES, SETTINGS, CODE = made_from("responses")


rule sample_responses:
    input:
        FILES,
        reference=f"{REFERENCE}/manifest.json",
        reference_weights=ancient(f"{REFERENCE}/model.safetensors"),
    output:
        responses="results/{study}/responses/{cell}/responses.jsonl",
    log:
        "results/logs/sample_responses/{study}/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=CODE("steps.sample_responses"),
    message:
        "Responses: {wildcards.study}, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/sample_responses "
        "--prompts {input.prompts} --reference {input.reference} "
        "--adapters {input.adapters} --responses {output.responses} "
        "--spec {params.spec:q} --code {params.code:q}"
