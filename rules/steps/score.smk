# Scores of sampled responses, by the study's judge.

FILES, SETTINGS, CODE = made_from("rewards")


rule score_responses:
    input:
        FILES,
        # Also that of a judge which the run has only now got.
        rehearsals=ancient(REHEARSALS),
    output:
        rewards="results/{study}/rewards/{cell}/rewards.jsonl",
    log:
        "results/logs/score_responses/{study}/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=CODE("steps.score_responses"),
    message:
        "Rewards: {wildcards.study}, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/score_responses "
        "--responses {input.responses} --judge {input.judge} "
        "--rewards {output.rewards} --spec {params.spec:q} --code {params.code:q}"
