# What is the self-play study's own on the training side: the prompts of each iteration.

FILES, SETTINGS, _ = made_from("prompts", study="self_play")


rule divide_prompts:
    input:
        FILES,
    output:
        prompts="results/self_play/prompts/{cell}/prompts.jsonl",
    log:
        "results/logs/divide_prompts/{cell}.log",
    # So that a pool too small for the last iteration is known before the first samples.
    priority: 1
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("self_play.divide_prompts"),
    message:
        "Self-play: prompts, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} self_play/divide_prompts --pool {input.pool} "
        "--sources {input.sources} --tokenizer {input.tokenizer} --prompts {output.prompts} "
        "--spec {params.spec:q} --code {params.code:q}"
