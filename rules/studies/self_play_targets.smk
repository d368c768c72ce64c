# What the self-play study's policies train on: their own responses, and what each is worth.

FILES, SETTINGS, _ = made_from("targets", study="self_play")


rule make_targets:
    input:
        FILES,
    output:
        groups="results/self_play/targets/{cell}/groups.jsonl",
        summary="results/self_play/targets/{cell}/summary.json",
    log:
        "results/logs/make_targets/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("self_play.make_targets"),
    message:
        "Self-play: targets, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} self_play/make_targets "
        "--responses {input.responses} --matrices {input.matrices} --opponents {input.opponents} "
        "--groups {output.groups} --summary {output.summary} "
        "--spec {params.spec:q} --code {params.code:q}"
