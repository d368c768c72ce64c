# What a user may ask for beside everything: one study, or one stage.


localrules:
    link_robustness,
    single_index,
    sources,
    references,
    preferences,
    policies,
    evaluations,
    figures,
    report,
    clean_work,


rule link_robustness:
    input:
        FIGURES,
        TABLES,


rule single_index:
    input:
        SINGLE_FIGURES,
        SINGLE_TABLES,


rule sources:
    input:
        "results/models/base/manifest.json",
        f"{REWARD}/manifest.json",
        "results/data/ultrafeedback/train.jsonl",


rule references:
    input:
        f"{REFERENCE}/manifest.json",


rule preferences:
    input:
        [
            f"{ROOT}/preferences/seed={seed}/shift={shift}/n={n}/preferences.jsonl"
            for seed, shift, n in itertools.product(STUDY.seeds, shifts(), STUDY.n)
        ],


rule policies:
    input:
        of_studies(
            link_robustness=cells(f"{POLICY}/manifest.json"),
            single_index=single_cells(f"{SINGLE_POLICY}/policies.safetensors"),
        ),


rule evaluations:
    input:
        of_studies(
            link_robustness=cells(f"{EVALUATION}/evaluation.csv"),
            single_index=single_cells(f"{SINGLE_EVALUATION}/runs.csv"),
        ),


rule figures:
    input:
        of_studies(link_robustness=FIGURES, single_index=SINGLE_FIGURES),


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
