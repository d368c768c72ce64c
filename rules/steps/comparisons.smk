# Comparisons of responses, a set a label: what preference models learn from and judges are measured on.

FILES, SETTINGS, CODE = answers(
    lambda wildcards: comparison_sets.step(CONFIG, wildcards.comparisons)
)


rule collect_comparisons:
    input:
        FILES,
    output:
        train="results/comparisons/{comparisons}/train.jsonl",
        calibration="results/comparisons/{comparisons}/calibration.jsonl",
        test="results/comparisons/{comparisons}/test.jsonl",
        summary="results/comparisons/{comparisons}/summary.json",
    log:
        "results/logs/collect_comparisons/{comparisons}.log",
    wildcard_constraints:
        comparisons="|".join(map(re.escape, CONFIG.comparisons)),
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=CODE("steps.collect_comparisons"),
    message:
        "Comparisons: {wildcards.comparisons}"
    shell:
        "exec python -m run_job --log {log} steps/collect_comparisons --files {input.files} "
        "--train {output.train} --calibration {output.calibration} --test {output.test} "
        "--summary {output.summary} --spec {params.spec:q} --code {params.code:q}"
