# Tables and figures of the link-robustness study, drawn from the gathered evaluations.

FIGURE_FOLDER = f"{ROOT}/figures"
TABLE_FOLDER = f"{ROOT}/tables"
KAPPA = STUDY.evaluation.kappa


rule tabulate_results:
    input:
        evaluations=f"{GATHERED}/evaluations.csv",
        samples=f"{GATHERED}/samples.parquet",
        indices=f"{GATHERED}/indices.parquet",
        reference_samples=f"{ROOT}/reference_samples/samples.parquet",
        rewards=expand(f"{ROOT}/rewards/seed={{seed}}/rewards.jsonl", seed=STUDY.seeds),
    output:
        summary=table("summary"),
        differences=table("differences"),
        calibration=table("calibration"),
        identifiability=table("identifiability"),
        runs=table("runs"),
    log:
        "results/logs/tabulate_results.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            methods=STUDY.methods,
            seeds=STUDY.seeds,
            shifts=STUDY.shifts,
            n=STUDY.n,
            link_temperature=STUDY.link_temperature,
            baseline=STUDY.baseline,
            kappa=KAPPA,
            samples=STUDY.evaluation.samples,
        ),
        code=fingerprint("link_robustness.tabulate_results"),
    message:
        "Tables: reward at one KL, differences to the baseline, calibration, what labels can tell"
    shell:
        "exec python -m run_job --log {log} link_robustness/tabulate_results --evaluations {input.evaluations} "
        "--samples {input.samples} --indices {input.indices} "
        "--reference-samples {input.reference_samples} --rewards {input.rewards} "
        "--summary {output.summary} --differences {output.differences} "
        "--calibration {output.calibration} --identifiability {output.identifiability} "
        "--runs {output.runs} --spec {params.spec:q} --code {params.code:q}"


rule plot_reference_rewards:
    input:
        rewards=expand(f"{ROOT}/rewards/seed={{seed}}/rewards.jsonl", seed=STUDY.seeds),
    output:
        svg=figure("reference_rewards", "svg"),
        png=figure("reference_rewards", "png"),
    log:
        "results/logs/plot_reference_rewards.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(),
        code=fingerprint("link_robustness.plot_reference_rewards"),
    message:
        "Figure: rewards of the reference"
    shell:
        "exec python -m run_job --log {log} link_robustness/plot_reference_rewards --rewards {input.rewards} "
        "--svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"


rule plot_frontier:
    input:
        evaluations=f"{GATHERED}/evaluations.csv",
        reference_samples=f"{ROOT}/reference_samples/samples.parquet",
    output:
        svg=figure("frontier", "svg"),
        png=figure("frontier", "png"),
    log:
        "results/logs/plot_frontier.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            methods=STUDY.methods,
            baseline=STUDY.baseline,
            kappa=KAPPA,
            samples=STUDY.evaluation.samples,
        ),
        code=fingerprint("link_robustness.plot_frontier"),
    message:
        "Figure: reward against KL"
    shell:
        "exec python -m run_job --log {log} link_robustness/plot_frontier --evaluations {input.evaluations} "
        "--reference-samples {input.reference_samples} "
        "--svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"


rule plot_robustness:
    input:
        summary=f"{TABLE_FOLDER}/summary.csv",
        differences=f"{TABLE_FOLDER}/differences.csv",
        runs=f"{TABLE_FOLDER}/runs.csv",
        reference_samples=f"{ROOT}/reference_samples/samples.parquet",
    output:
        svg=figure("robustness", "svg"),
        png=figure("robustness", "png"),
    log:
        "results/logs/plot_robustness.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(methods=STUDY.methods, baseline=STUDY.baseline, kappa=KAPPA),
        code=fingerprint("link_robustness.plot_robustness"),
    message:
        "Figure: reward at one KL against the link's shift"
    shell:
        "exec python -m run_job --log {log} link_robustness/plot_robustness --summary {input.summary} "
        "--differences {input.differences} --runs {input.runs} "
        "--reference-samples {input.reference_samples} "
        "--svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"


rule plot_convergence:
    input:
        summary=f"{TABLE_FOLDER}/summary.csv",
        runs=f"{TABLE_FOLDER}/runs.csv",
        reference_samples=f"{ROOT}/reference_samples/samples.parquet",
    output:
        svg=figure("convergence", "svg"),
        png=figure("convergence", "png"),
    log:
        "results/logs/plot_convergence.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(methods=STUDY.methods, kappa=KAPPA),
        code=fingerprint("link_robustness.plot_convergence"),
    message:
        "Figure: reward at one KL against n"
    shell:
        "exec python -m run_job --log {log} link_robustness/plot_convergence --summary {input.summary} "
        "--runs {input.runs} --reference-samples {input.reference_samples} "
        "--svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"


rule plot_calibration:
    input:
        indices=f"{GATHERED}/indices.parquet",
    output:
        svg=figure("calibration", "svg"),
        png=figure("calibration", "png"),
    log:
        "results/logs/plot_calibration.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(methods=STUDY.methods, link_temperature=STUDY.link_temperature),
        code=fingerprint("link_robustness.plot_calibration"),
    message:
        "Figure: learned link beside the true one"
    shell:
        "exec python -m run_job --log {log} link_robustness/plot_calibration --indices {input.indices} "
        "--svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"


rule plot_training:
    input:
        training=f"{GATHERED}/training.parquet",
    output:
        svg=figure("training", "svg"),
        png=figure("training", "png"),
    log:
        "results/logs/plot_training.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(methods=STUDY.methods),
        code=fingerprint("link_robustness.plot_training"),
    message:
        "Figure: training curves"
    shell:
        "exec python -m run_job --log {log} link_robustness/plot_training --training {input.training} "
        "--svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"


FIGURES = [
    f"{FIGURE_FOLDER}/{name}.{format}"
    for name in (
        "reference_rewards",
        "frontier",
        "robustness",
        "convergence",
        "calibration",
        "training",
    )
    for format in ("svg", "png")
]
TABLES = [
    f"{TABLE_FOLDER}/{name}.csv"
    for name in ("summary", "differences", "calibration", "identifiability", "runs")
]
