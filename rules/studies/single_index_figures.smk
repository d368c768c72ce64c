# Figures of the single-index study, drawn from its gathered tables.


rule plot_single_index_robustness:
    input:
        runs=f"{SINGLE_GATHERED}/runs.csv",
    output:
        svg=figure("robustness", "svg", "single_index"),
        png=figure("robustness", "png", "single_index"),
    log:
        "results/logs/plot_single_index_robustness.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            methods=SINGLE.methods,
            baseline=SINGLE.baseline,
            kappa=SINGLE.evaluation.kappa,
        ),
        code=fingerprint("single_index.plot_single_index_robustness"),
    message:
        "Single index, figure: reward at one KL against the link's shift"
    shell:
        "exec python -m run_job --log {log} single_index/plot_single_index_robustness --runs {input.runs} "
        "--svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"


rule plot_single_index_frontier:
    input:
        curves=f"{SINGLE_GATHERED}/curves.parquet",
    output:
        svg=figure("frontier", "svg", "single_index"),
        png=figure("frontier", "png", "single_index"),
    log:
        "results/logs/plot_single_index_frontier.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            methods=SINGLE.methods,
            baseline=SINGLE.baseline,
            kappa=SINGLE.evaluation.kappa,
            pareto_shifts=SINGLE.evaluation.pareto_shifts,
        ),
        code=fingerprint("single_index.plot_single_index_frontier"),
    message:
        "Single index, figure: reward against KL"
    shell:
        "exec python -m run_job --log {log} single_index/plot_single_index_frontier --curves {input.curves} "
        "--svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"


rule plot_single_index_links:
    input:
        links=f"{SINGLE_GATHERED}/links.parquet",
    output:
        svg=figure("links", "svg", "single_index"),
        png=figure("links", "png", "single_index"),
    log:
        "results/logs/plot_single_index_links.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(methods=SINGLE.methods, pareto_shifts=SINGLE.evaluation.pareto_shifts),
        code=fingerprint("single_index.plot_single_index_links"),
    message:
        "Single index, figure: learned links beside the true one"
    shell:
        "exec python -m run_job --log {log} single_index/plot_single_index_links --links {input.links} "
        "--svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"


rule plot_single_index_correlation:
    input:
        runs=f"{SINGLE_GATHERED}/runs.csv",
    output:
        svg=figure("correlation", "svg", "single_index"),
        png=figure("correlation", "png", "single_index"),
    log:
        "results/logs/plot_single_index_correlation.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(methods=SINGLE.methods),
        code=fingerprint("single_index.plot_single_index_correlation"),
    message:
        "Single index, figure: how well the index orders pairs"
    shell:
        "exec python -m run_job --log {log} single_index/plot_single_index_correlation --runs {input.runs} "
        "--svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"


SINGLE_FIGURES = [
    f"{SINGLE_ROOT}/figures/{name}.{format}"
    for name in ("robustness", "frontier", "links", "correlation")
    for format in ("svg", "png")
]
SINGLE_TABLES = [
    f"{SINGLE_ROOT}/tables/{name}.csv" for name in ("summary", "differences", "identifiability")
]
