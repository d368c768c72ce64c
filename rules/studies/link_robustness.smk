# What is the link-robustness study's own: preferences under a shifted link, and its tables.

FILES, SETTINGS, _ = made_from("preferences", study="link_robustness")


rule label_preferences:
    input:
        FILES,
    output:
        preferences="results/link_robustness/preferences/{cell}/preferences.jsonl",
    log:
        "results/logs/label_preferences/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("link_robustness.label_preferences"),
    message:
        "Preferences: {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} link_robustness/label_preferences "
        "--rewards {input.rewards} --preferences {output.preferences} "
        "--spec {params.spec:q} --code {params.code:q}"


rule export_preferences:
    input:
        preferences="results/link_robustness/preferences/{cell}/preferences.jsonl",
    output:
        pairs="results/link_robustness/preferences/{cell}/chosen_rejected/pairs.jsonl",
    log:
        "results/logs/export_preferences/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=spec(prompt_format=CONFIG.prompt_format),
        code=fingerprint("link_robustness.export_preferences"),
    message:
        "Export as chosen and rejected: {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} link_robustness/export_preferences "
        "--preferences {input.preferences} --pairs {output.pairs} "
        "--spec {params.spec:q} --code {params.code:q}"


FILES, SETTINGS, _ = made_from("tabulation", key=None, study="link_robustness")


rule tabulate_results:
    input:
        FILES,
    output:
        summary=report(
            "results/link_robustness/tables/summary.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "link_robustness", "table": "summary"},
        ),
        differences=report(
            "results/link_robustness/tables/differences.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "link_robustness", "table": "differences"},
        ),
        calibration=report(
            "results/link_robustness/tables/calibration.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "link_robustness", "table": "calibration"},
        ),
        identifiability=report(
            "results/link_robustness/tables/identifiability.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "link_robustness", "table": "identifiability"},
        ),
        runs=report(
            "results/link_robustness/tables/runs.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "link_robustness", "table": "runs"},
        ),
    log:
        "results/logs/tabulate_results.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("link_robustness.tabulate_results"),
    message:
        "Tables: reward at one KL, differences to the baseline, calibration, what preferences can tell"
    shell:
        "exec python -m run_job --log {log} link_robustness/tabulate_results "
        "--evaluations {input.evaluations} --samples {input.samples} "
        "--indices {input.indices} --reference-samples {input.reference_samples} "
        "--rewards {input.rewards} --summary {output.summary} "
        "--differences {output.differences} --calibration {output.calibration} "
        "--identifiability {output.identifiability} --runs {output.runs} "
        "--spec {params.spec:q} --code {params.code:q}"
