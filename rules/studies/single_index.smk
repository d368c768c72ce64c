# The single-index study: rewards and KL are exact, a run takes a fraction of a second, and one job
# trains a block of seeds.

FILES, SETTINGS, _ = made_from("draws", study="single_index")


rule draw_single_index:
    input:
        FILES,
    output:
        draws="results/single_index/data/{cell}/draws.safetensors",
    log:
        "results/logs/draw_single_index/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("single_index.draw_single_index"),
    message:
        "Single index: draws, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} single_index/draw_single_index "
        "--draws {output.draws} --spec {params.spec:q} --code {params.code:q}"


FILES, SETTINGS, CODE = made_from("policy", study="single_index")


rule train_single_index:
    input:
        FILES,
    output:
        policies="results/single_index/policies/{cell}/policies.safetensors",
    log:
        "results/logs/train_single_index/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=CODE("single_index.train_single_index"),
    message:
        "Single index: policies, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} single_index/train_single_index "
        "--draws {input.draws} --policies {output.policies} "
        "--spec {params.spec:q} --code {params.code:q}"


FILES, SETTINGS, _ = made_from("evaluation", study="single_index")


rule evaluate_single_index:
    input:
        FILES,
    output:
        runs="results/single_index/evaluations/{cell}/runs.csv",
        curves="results/single_index/evaluations/{cell}/curves.parquet",
        links="results/single_index/evaluations/{cell}/links.parquet",
        evidence="results/single_index/evaluations/{cell}/evidence.csv",
    log:
        "results/logs/evaluate_single_index/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("single_index.evaluate_single_index"),
    message:
        "Single index: evaluation, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} single_index/evaluate_single_index "
        "--draws {input.draws} --policies {input.policies} --runs {output.runs} "
        "--curves {output.curves} --links {output.links} --evidence {output.evidence} "
        "--spec {params.spec:q} --code {params.code:q}"


FILES, SETTINGS, _ = made_from("tabulation", key=None, study="single_index")


rule tabulate_single_index:
    input:
        FILES,
    output:
        summary=report(
            "results/single_index/tables/summary.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "single_index", "table": "summary"},
        ),
        differences=report(
            "results/single_index/tables/differences.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "single_index", "table": "differences"},
        ),
        identifiability=report(
            "results/single_index/tables/identifiability.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "single_index", "table": "identifiability"},
        ),
    log:
        "results/logs/tabulate_single_index.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("single_index.tabulate_single_index"),
    message:
        "Single index: tables of rewards at one KL, differences, what preferences can tell"
    shell:
        "exec python -m run_job --log {log} single_index/tabulate_single_index "
        "--runs {input.runs} --curves {input.curves} --evidence {input.evidence} "
        "--summary {output.summary} --differences {output.differences} "
        "--identifiability {output.identifiability} "
        "--spec {params.spec:q} --code {params.code:q}"
