# The page that tells the story, in one file: a section a study.


rule describe_link_robustness:
    input:
        figures=[path for path in FIGURES if path.endswith(".svg")],
        summary=f"{TABLE_FOLDER}/summary.csv",
        differences=f"{TABLE_FOLDER}/differences.csv",
        calibration=f"{TABLE_FOLDER}/calibration.csv",
        identifiability=f"{TABLE_FOLDER}/identifiability.csv",
        runs=f"{TABLE_FOLDER}/runs.csv",
        samples=f"{GATHERED}/samples.parquet",
        reference_samples=f"{ROOT}/reference_samples/samples.parquet",
        prompts=f"{ROOT}/prompts/eval.jsonl",
    output:
        section=f"{ROOT}/section/section.json",
    log:
        "results/logs/describe_link_robustness.log",
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
            kappa=KAPPA,
            baseline=STUDY.baseline,
            trainings=trainings(STUDY.methods, training_words),
            facts=facts(),
        ),
        code=fingerprint("link_robustness.describe_link_robustness"),
    message:
        "Report: link robustness"
    shell:
        "exec python -m run_job --log {log} link_robustness/describe_link_robustness --figures {input.figures} "
        "--summary {input.summary} --differences {input.differences} "
        "--calibration {input.calibration} --identifiability {input.identifiability} "
        "--runs {input.runs} --samples {input.samples} "
        "--reference-samples {input.reference_samples} --prompts {input.prompts} "
        "--section {output.section} --spec {params.spec:q} --code {params.code:q}"


rule describe_single_index:
    input:
        figures=[path for path in SINGLE_FIGURES if path.endswith(".svg")],
        summary=f"{SINGLE_ROOT}/tables/summary.csv",
        differences=f"{SINGLE_ROOT}/tables/differences.csv",
        identifiability=f"{SINGLE_ROOT}/tables/identifiability.csv",
        runs=f"{SINGLE_GATHERED}/runs.csv",
    output:
        section=f"{SINGLE_ROOT}/section/section.json",
    log:
        "results/logs/describe_single_index.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            methods=SINGLE.methods,
            seeds=SINGLE.seeds,
            shifts=SINGLE.shifts,
            tau=SINGLE.tau,
            n=SINGLE.n,
            kappa=SINGLE.evaluation.kappa,
            baseline=SINGLE.baseline,
            trainings=trainings(SINGLE.methods, single_training_words),
            facts=single_facts(),
        ),
        code=fingerprint("single_index.describe_single_index"),
    message:
        "Report: single index"
    shell:
        "exec python -m run_job --log {log} single_index/describe_single_index --figures {input.figures} "
        "--summary {input.summary} --differences {input.differences} "
        "--identifiability {input.identifiability} --runs {input.runs} "
        "--section {output.section} --spec {params.spec:q} --code {params.code:q}"


# Relative paths: a moved or freshly cloned work tree has the same inputs.
TEMPLATES = sorted(
    os.path.relpath(path)
    for path in glob.glob(
        os.path.join(workflow.basedir, "workflow_scripts/prefgrid/report/templates/*")
    )
)


rule build_report:
    input:
        sections=[f"results/{study}/section/section.json" for study in CONFIG.studies],
        quality=[QUALITY] if QUALITY and "link_robustness" in CONFIG.studies else [],
        templates=TEMPLATES,
    output:
        report="results/report.html",
    log:
        "results/logs/build_report.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(title="prefgrid", subtitle="Preference optimization under an unknown link"),
        code=fingerprint("steps.build_report"),
    message:
        "Report: results/report.html"
    shell:
        "exec python -m run_job --log {log} steps/build_report --sections {input.sections} "
        "--quality {input.quality} --templates {input.templates:q} --report {output.report} "
        "--spec {params.spec:q} --code {params.code:q}"
