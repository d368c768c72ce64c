# The self-play study for other programs, on request: SPPO's published files, and policies in AlpacaEval.

FILES, SETTINGS, _ = made_from("published", study="self_play")


rule export_self_play:
    input:
        FILES,
    output:
        train="results/self_play/published/{cell}/train.parquet",
        generated="results/self_play/published/{cell}/generated.parquet",
    log:
        "results/logs/export_self_play/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("self_play.export_self_play"),
    message:
        "Self-play: published files, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} self_play/export_self_play "
        "--responses {input.responses} --matrices {input.matrices} --opponents {input.opponents} "
        "--train {output.train} --generated {output.generated} "
        "--spec {params.spec:q} --code {params.code:q}"


FILES, SETTINGS, _ = made_from("alpaca_config", key="model", study="self_play")


rule write_alpaca_config:
    input:
        FILES,
    output:
        config="results/self_play/alpaca_eval/models_configs/{model}/configs.yaml",
        prompt="results/self_play/alpaca_eval/models_configs/{model}/prompt.txt",
    log:
        "results/logs/write_alpaca_config/{model}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("self_play.write_alpaca_config"),
    message:
        "Self-play: AlpacaEval's entry, {wildcards.model}"
    shell:
        "exec python -m run_job --log {log} self_play/write_alpaca_config --policy {input.policy} "
        "--config {output.config} --prompt {output.prompt} "
        "--spec {params.spec:q} --code {params.code:q}"
