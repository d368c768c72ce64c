# What is measured of self-play, run by run, and its tables.

FILES, SETTINGS, _ = made_from("measurement", study="self_play")


rule measure_run:
    input:
        FILES,
    output:
        iterations="results/self_play/measured/{cell}/iterations.csv",
        contests="results/self_play/measured/{cell}/contests.csv",
        classes="results/self_play/measured/{cell}/classes.csv",
        best_of="results/self_play/measured/{cell}/best_of.csv",
        prompts="results/self_play/measured/{cell}/prompts.parquet",
        selection="results/self_play/measured/{cell}/selection.json",
    log:
        "results/logs/measure_run/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("self_play.measure_run"),
    message:
        "Self-play: win rates, KL, length, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} self_play/measure_run --base {input.base} "
        "--samples {input.samples} --training {input.training} --held-out {input.held_out} "
        "--scores {input.scores} --metrics {input.metrics} --targets {input.targets} "
        "--best {input.best} --iterations {output.iterations} --contests {output.contests} "
        "--classes {output.classes} --best-of {output.best_of} --prompts {output.prompts} "
        "--selection {output.selection} --spec {params.spec:q} --code {params.code:q}"


FILES, SETTINGS, _ = made_from("tabulation", key=None, study="self_play")


rule tabulate_self_play:
    input:
        FILES,
    output:
        iterations=report(
            "results/self_play/tables/iterations.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "self_play", "table": "iterations"},
        ),
        contests=report(
            "results/self_play/tables/contests.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "self_play", "table": "contests"},
        ),
        classes=report(
            "results/self_play/tables/classes.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "self_play", "table": "classes"},
        ),
        selected=report(
            "results/self_play/tables/selected.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "self_play", "table": "selected"},
        ),
        summary=report(
            "results/self_play/tables/summary.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "self_play", "table": "summary"},
        ),
        equal_kl=report(
            "results/self_play/tables/equal_kl.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "self_play", "table": "equal_kl"},
        ),
        best_of=report(
            "results/self_play/tables/best_of.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "self_play", "table": "best_of"},
        ),
    log:
        "results/logs/tabulate_self_play.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("self_play.tabulate_self_play"),
    message:
        "Self-play: tables of all runs, at equal KL"
    shell:
        "exec python -m run_job --log {log} self_play/tabulate_self_play "
        "--run-iterations {input.run_iterations} --run-contests {input.run_contests} "
        "--run-classes {input.run_classes} --run-best-of {input.run_best_of} "
        "--run-prompts {input.run_prompts} --run-selection {input.run_selection} "
        "--iterations {output.iterations} --contests {output.contests} "
        "--classes {output.classes} --selected {output.selected} --summary {output.summary} "
        "--equal-kl {output.equal_kl} --best-of {output.best_of} "
        "--spec {params.spec:q} --code {params.code:q}"
