# The single-index study: rewards and KL are exact, a run takes a fraction of a second, and one job
# trains a block of seeds.


rule draw_single_index:
    output:
        draws=f"{SINGLE_ROOT}/data/n={{n}}/seeds={{seeds}}/draws.safetensors",
    log:
        "results/logs/draw_single_index/n={n}/seeds={seeds}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=single_draws_spec,
        code=fingerprint("single_index.draw_single_index"),
    message:
        "Single index: draws of seeds {wildcards.seeds}, n {wildcards.n}"
    shell:
        "exec python -m run_job --log {log} single_index/draw_single_index --draws {output.draws} "
        "--spec {params.spec:q} --code {params.code:q}"


SINGLE_POLICY = f"{SINGLE_ROOT}/policies/method={{method}}/{SINGLE_DATA}"


rule train_single_index:
    input:
        draws=f"{SINGLE_ROOT}/data/n={{n}}/seeds={{seeds}}/draws.safetensors",
    output:
        policies=f"{SINGLE_POLICY}/policies.safetensors",
    log:
        f"results/logs/train_single_index/method={{method}}/{SINGLE_DATA}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=single_policy_spec,
        code=single_policy_code,
    message:
        "Single index: {wildcards.method}, seeds {wildcards.seeds}, shift {wildcards.shift}, "
        "tau {wildcards.tau}, n {wildcards.n}"
    shell:
        "exec python -m run_job --log {log} single_index/train_single_index --draws {input.draws} "
        "--policies {output.policies} --spec {params.spec:q} --code {params.code:q}"


SINGLE_EVALUATION = f"{SINGLE_ROOT}/evaluations/{SINGLE_DATA}"


rule evaluate_single_index:
    input:
        draws=f"{SINGLE_ROOT}/data/n={{n}}/seeds={{seeds}}/draws.safetensors",
        policies=[
            f"{SINGLE_POLICY}/policies.safetensors".replace("{method}", method)
            for method in SINGLE.methods
        ],
    output:
        runs=f"{SINGLE_EVALUATION}/runs.csv",
        curves=f"{SINGLE_EVALUATION}/curves.parquet",
        links=f"{SINGLE_EVALUATION}/links.parquet",
        evidence=f"{SINGLE_EVALUATION}/evidence.csv",
    log:
        f"results/logs/evaluate_single_index/{SINGLE_DATA}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=single_evaluation_spec,
        code=fingerprint("single_index.evaluate_single_index"),
    message:
        "Single index: evaluation of seeds {wildcards.seeds}, shift {wildcards.shift}, "
        "tau {wildcards.tau}, n {wildcards.n}"
    shell:
        "exec python -m run_job --log {log} single_index/evaluate_single_index --draws {input.draws} "
        "--policies {input.policies} --runs {output.runs} --curves {output.curves} "
        "--links {output.links} --evidence {output.evidence} "
        "--spec {params.spec:q} --code {params.code:q}"


SINGLE_GATHERED = f"{SINGLE_ROOT}/gathered"


# As in gather_evaluations, the spec names the cells and not the command line.
rule gather_single_index:
    input:
        runs=single_cells(f"{SINGLE_EVALUATION}/runs.csv"),
        curves=single_cells(f"{SINGLE_EVALUATION}/curves.parquet"),
        links=single_cells(f"{SINGLE_EVALUATION}/links.parquet"),
        evidence=single_cells(f"{SINGLE_EVALUATION}/evidence.csv"),
    output:
        runs=f"{SINGLE_GATHERED}/runs.csv",
        curves=f"{SINGLE_GATHERED}/curves.parquet",
        links=f"{SINGLE_GATHERED}/links.parquet",
        evidence=f"{SINGLE_GATHERED}/evidence.csv",
    log:
        "results/logs/gather_single_index.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(root=SINGLE_ROOT, cells=single_cells(SINGLE_DATA)),
        code=fingerprint("single_index.gather_single_index"),
    message:
        "Single index: gather all evaluations into one table each"
    shell:
        "exec python -m run_job --log {log} single_index/gather_single_index --runs {output.runs} "
        "--curves {output.curves} --links {output.links} "
        "--evidence {output.evidence} "
        "--spec {params.spec:q} --code {params.code:q}"


rule tabulate_single_index:
    input:
        runs=f"{SINGLE_GATHERED}/runs.csv",
        curves=f"{SINGLE_GATHERED}/curves.parquet",
        evidence=f"{SINGLE_GATHERED}/evidence.csv",
    output:
        summary=table("summary", "single_index"),
        differences=table("differences", "single_index"),
        identifiability=table("identifiability", "single_index"),
    log:
        "results/logs/tabulate_single_index.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            methods=SINGLE.methods,
            baseline=SINGLE.baseline,
            variants=single_variants(),
            seeds=SINGLE.seeds,
            kappa=SINGLE.evaluation.kappa,
        ),
        code=fingerprint("single_index.tabulate_single_index"),
    message:
        "Single index: tables of rewards at one KL, differences, what the labels can tell"
    shell:
        "exec python -m run_job --log {log} single_index/tabulate_single_index --runs {input.runs} "
        "--curves {input.curves} --evidence {input.evidence} --summary {output.summary} "
        "--differences {output.differences} --identifiability {output.identifiability} "
        "--spec {params.spec:q} --code {params.code:q}"
