# What a user may ask for beside everything: one study, or one stage.


localrules:
    link_robustness,
    sources,
    references,
    preferences,
    policies,
    evaluations,
    figures,
    report,


rule link_robustness:
    input:
        FIGURES,
        TABLES,


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
        cells(f"{POLICY}/manifest.json"),


rule evaluations:
    input:
        cells(f"{EVALUATION}/evaluation.csv"),


rule figures:
    input:
        FIGURES,


rule report:
    input:
        "results/report.html",
