# The page that tells the story, in one file: a section a study.

FILES, SETTINGS, CODE = made_from("section", key=None)


rule describe_study:
    input:
        FILES,
    output:
        section="results/{study}/section/section.json",
    log:
        "results/logs/describe_study/{study}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=CODE("steps.describe_study"),
    message:
        "Report: {wildcards.study}"
    shell:
        "exec python -m run_job --log {log} steps/describe_study "
        "--figures {input.figures} --files {input.files} --section {output.section} "
        "--spec {params.spec:q} --code {params.code:q}"


# Relative paths: a moved or freshly cloned work tree has the same inputs.
TEMPLATES = sorted(
    os.path.relpath(path)
    for path in (
        Path(workflow.basedir) / "workflow_scripts" / "prefgrid" / "report" / "templates"
    ).iterdir()
)


# Its name, and which models and data the studies of this run are of.
SOURCES = {name: words for study in WIRING.values() for name, words in study.sources.items()}


rule build_report:
    input:
        sections=[f"results/{study}/section/section.json" for study in WIRING],
        quality=QUALITY,
        templates=TEMPLATES,
    output:
        report="results/report.html",
    log:
        "results/logs/build_report.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=spec(
            title="prefgrid",
            subtitle="Preference optimization, measured against what is known",
            sources=SOURCES,
            config=shown.resolved(CONFIG),
        ),
        code=fingerprint("steps.build_report"),
    message:
        "Report: results/report.html"
    shell:
        "exec python -m run_job --log {log} steps/build_report --sections {input.sections} "
        "--quality {input.quality} --templates {input.templates:q} --report {output.report} "
        "--spec {params.spec:q} --code {params.code:q}"
