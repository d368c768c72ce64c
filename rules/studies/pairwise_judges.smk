# What is the study of pairwise judges' own: embeddings for the figure of the ring, and its tables.

FILES, SETTINGS, CODE = made_from("embeddings", study="pairwise_judges")


rule embed_responses:
    input:
        FILES,
    output:
        embeddings="results/pairwise_judges/embeddings/{cell}/embeddings.parquet",
    log:
        "results/logs/embed_responses/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=CODE("pairwise_judges.embed_responses"),
    message:
        "Pairwise judges: embeddings, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} pairwise_judges/embed_responses "
        "--comparisons {input.comparisons} --judge {input.judge} "
        "--embeddings {output.embeddings} --spec {params.spec:q} --code {params.code:q}"


FILES, SETTINGS, _ = made_from("tabulation", key=None, study="pairwise_judges")


rule tabulate_pairwise_judges:
    input:
        FILES,
    output:
        summary=report(
            "results/pairwise_judges/tables/summary.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "pairwise_judges", "table": "summary"},
        ),
        differences=report(
            "results/pairwise_judges/tables/differences.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "pairwise_judges", "table": "differences"},
        ),
        sections=report(
            "results/pairwise_judges/tables/sections.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "pairwise_judges", "table": "sections"},
        ),
        reliability=report(
            "results/pairwise_judges/tables/reliability.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "pairwise_judges", "table": "reliability"},
        ),
    log:
        "results/logs/tabulate_pairwise_judges.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("pairwise_judges.tabulate_pairwise_judges"),
    message:
        "Pairwise judges: accuracy, log-loss, reliability, order, length, circles"
    shell:
        "exec python -m run_job --log {log} pairwise_judges/tabulate_pairwise_judges "
        "--matrices {input.matrices} --comparisons {input.comparisons} "
        "--calibrations {input.calibrations} "
        "--summary {output.summary} --differences {output.differences} "
        "--sections {output.sections} --reliability {output.reliability} "
        "--spec {params.spec:q} --code {params.code:q}"
