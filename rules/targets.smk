# What a user may ask for beside everything: one study, or one stage.


localrules:
    sources,
    references,
    preferences,
    policies,
    evaluations,
    figures,
    tables,
    report,
    clean_work,


for name, study in WIRING.items():

    rule:
        name:
            name
        input:
            study.cells("figures"),
            study.cells("tables"),
        localrule: True


rule sources:
    input:
        SOURCE_FILES,


rule references:
    input:
        f"{REFERENCE}/manifest.json",


rule preferences:
    input:
        stage("preferences"),


rule policies:
    input:
        stage("policies"),


rule evaluations:
    input:
        stage("evaluations"),


rule figures:
    input:
        stage("figures"),


rule tables:
    input:
        stage("tables"),


rule report:
    input:
        "results/report.html",


# What killed jobs left for their reruns; call it while nothing runs. No run needs it: a job that
# ends well removes its own folder, and another job's is never used.
rule clean_work:
    log:
        "results/logs/clean_work.log",
    conda:
        "../envs/prefgrid.yaml"
    message:
        "Remove what interrupted jobs kept for their reruns"
    shell:
        "exec rm -rfv results/work > {log}"
