# The soft-policy study: a task whose optimum is known exactly, so one job trains a block of seeds and
# measures it.

FILES, SETTINGS, _ = made_from("numbers_reference", study="soft_policy")


rule teach_numbers:
    input:
        FILES,
        rehearsals=ancient(REHEARSALS),
    output:
        manifest="results/soft_policy/references/{cell}/manifest.json",
        weights="results/soft_policy/references/{cell}/model.safetensors",
        config="results/soft_policy/references/{cell}/config.json",
        tokenizer="results/soft_policy/references/{cell}/tokenizer.json",
    log:
        "results/logs/teach_numbers/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("soft_policy.teach_numbers", "prefgrid.objectives.sft"),
    message:
        "Soft policy: reference, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} soft_policy/teach_numbers "
        "--base {input.base} --weights {output.weights} --config {output.config} "
        "--tokenizer {output.tokenizer} --manifest {output.manifest} "
        "--spec {params.spec:q} --code {params.code:q}"


FILES, SETTINGS, CODE = made_from("policy", study="soft_policy")


rule train_soft_policy:
    input:
        FILES,
        rehearsals=ancient(REHEARSALS),
    output:
        policies="results/soft_policy/policies/{cell}/policies.safetensors",
        evaluations="results/soft_policy/policies/{cell}/evaluations.csv",
        values="results/soft_policy/policies/{cell}/values.csv",
        steps="results/soft_policy/policies/{cell}/steps.csv",
        samples="results/soft_policy/policies/{cell}/samples.parquet",
        answers="results/soft_policy/policies/{cell}/answers.parquet",
    log:
        "results/logs/train_soft_policy/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=CODE("soft_policy.train_soft_policy"),
    message:
        "Soft policy: policies, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} soft_policy/train_soft_policy "
        "--reference {input.reference} --policies {output.policies} "
        "--evaluations {output.evaluations} --values {output.values} --steps {output.steps} "
        "--samples {output.samples} --answers {output.answers} "
        "--spec {params.spec:q} --code {params.code:q}"


FILES, SETTINGS, _ = made_from("tabulation", key=None, study="soft_policy")


rule tabulate_soft_policy:
    input:
        FILES,
    output:
        summary=report(
            "results/soft_policy/tables/summary.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "soft_policy", "table": "summary"},
        ),
        differences=report(
            "results/soft_policy/tables/differences.csv",
            caption="../captions/artifact.rst",
            category="Tables",
            labels={"study": "soft_policy", "table": "differences"},
        ),
    log:
        "results/logs/tabulate_soft_policy.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("soft_policy.tabulate_soft_policy"),
    message:
        "Soft policy: tables"
    shell:
        "exec python -m run_job --log {log} soft_policy/tabulate_soft_policy "
        "--evaluations {input.evaluations} --estimates {input.estimates} "
        "--answers {input.answers} "
        "--summary {output.summary} --differences {output.differences} "
        "--spec {params.spec:q} --code {params.code:q}"
