# The page that tells the story, in one file.

# Relative paths: a moved or freshly cloned work tree has the same inputs.
TEMPLATES = sorted(
    os.path.relpath(path)
    for path in glob.glob(
        os.path.join(workflow.basedir, "workflow_scripts/prefgrid/report/templates/*")
    )
)


rule build_report:
    input:
        figures=[path for path in FIGURES if path.endswith(".svg")],
        summary=f"{TABLE_FOLDER}/summary.csv",
        differences=f"{TABLE_FOLDER}/differences.csv",
        calibration=f"{TABLE_FOLDER}/calibration.csv",
        runs=f"{TABLE_FOLDER}/runs.csv",
        samples=f"{GATHERED}/samples.parquet",
        reference_samples=f"{ROOT}/reference_samples/samples.parquet",
        prompts=f"{ROOT}/prompts/eval.jsonl",
        quality=QUALITY or [],
        templates=TEMPLATES,
    output:
        report="results/report.html",
    log:
        "results/logs/build_report.log",
    conda:
        "../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            title="prefgrid",
            subtitle="Preference optimization under an unknown link",
            methods=STUDY.methods,
            seeds=STUDY.seeds,
            shifts=STUDY.shifts,
            n=STUDY.n,
            link_temperature=STUDY.link_temperature,
            kappa=KAPPA,
            baseline=STUDY.baseline,
            trainings=trainings(),
            facts=facts(),
        ),
        code=fingerprint("build_report"),
    message:
        "Report: results/report.html"
    shell:
        "exec python -m run_job --log {log} build_report --figures {input.figures} "
        "--summary {input.summary} --differences {input.differences} "
        "--calibration {input.calibration} --runs {input.runs} --samples {input.samples} "
        "--reference-samples {input.reference_samples} --prompts {input.prompts} "
        "--quality {input.quality} --report {output.report} --spec {params.spec:q} --code {params.code:q}"
