# Reward and KL of every policy over a scan of beta, on held-out prompts.


rule sample_reference:
    input:
        prompts=f"{ROOT}/prompts/eval.jsonl",
        reference=f"{REFERENCE}/manifest.json",
        weights=ancient(f"{REFERENCE}/model.safetensors"),
    output:
        responses=f"{ROOT}/reference_responses/responses.parquet",
    log:
        "results/logs/sample_reference.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            evaluation=STUDY.evaluation.model_dump(
                include={
                    "prompts",
                    "max_new_tokens",
                    "temperature",
                    "batch_rows",
                    "reference_samples",
                    "seed",
                }
            ),
            prompt_format=CONFIG.prompt_format,
            precision=CONFIG.training.precision,
        ),
        code=fingerprint("steps.sample_reference"),
    message:
        "Reference samples for the evaluation prompts"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/sample_reference "
        "--prompts {input.prompts} --reference {input.reference} "
        "--responses {output.responses} --spec {params.spec:q} --code {params.code:q}"


rule score_reference:
    input:
        responses=f"{ROOT}/reference_responses/responses.parquet",
        prompts=f"{ROOT}/prompts/eval.jsonl",
        reference=f"{REFERENCE}/manifest.json",
        weights=ancient(f"{REFERENCE}/model.safetensors"),
        reward=f"{REWARD}/manifest.json",
        reward_weights=ancient(f"{REWARD}/model.safetensors"),
    output:
        samples=f"{ROOT}/reference_samples/samples.parquet",
        logps=REFERENCE_SAMPLE_LOGPS,
    log:
        "results/logs/score_reference.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            evaluation=STUDY.evaluation.model_dump(
                include={"prompts", "batch_rows", "index_pairs_per_prompt"}
            ),
            reward=CONFIG.reward.model_dump(),
            prompt_format=CONFIG.prompt_format,
            precision=CONFIG.training.precision,
            batch_size=CONFIG.logp_batch_size,
        ),
        code=fingerprint("steps.score_reference"),
    message:
        "Reference samples: rewards, and log-probabilities of the held-out pairs"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/score_reference "
        "--responses {input.responses} --prompts {input.prompts} "
        "--reference {input.reference} --reward {input.reward} "
        "--samples {output.samples} --logps {output.logps} "
        "--spec {params.spec:q} --code {params.code:q}"


EVALUATION = f"{ROOT}/evaluations/{CELL}"


rule evaluate_policy:
    input:
        policy=f"{POLICY}/manifest.json",
        adapter=ancient(f"{POLICY}/adapter_model.safetensors"),
        link=f"{POLICY}/link.json",
        preferences=f"{PREFERENCES}/preferences.jsonl",
        prompts=f"{ROOT}/prompts/eval.jsonl",
        reference_samples=f"{ROOT}/reference_samples/samples.parquet",
        reference_logps=reference_sample_logps,
        reference=f"{REFERENCE}/manifest.json",
        weights=ancient(f"{REFERENCE}/model.safetensors"),
        reward=f"{REWARD}/manifest.json",
        reward_weights=ancient(f"{REWARD}/model.safetensors"),
    output:
        evaluation=f"{EVALUATION}/evaluation.csv",
        samples=f"{EVALUATION}/samples.parquet",
        indices=f"{EVALUATION}/indices.parquet",
    log:
        f"results/logs/evaluate_policy/{CELL}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=evaluation_spec,
        code=fingerprint("steps.evaluate_policy"),
    message:
        "Evaluation: {wildcards.method}, seed {wildcards.seed}, shift {wildcards.shift}, n {wildcards.n}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/evaluate_policy "
        "--policy {input.policy} --link {input.link} --preferences {input.preferences} "
        "--prompts {input.prompts} --reference-samples {input.reference_samples} "
        "--reference-logps {input.reference_logps} "
        "--reference {input.reference} --reward {input.reward} "
        "--evaluation {output.evaluation} --samples {output.samples} --indices {output.indices} "
        "--spec {params.spec:q} --code {params.code:q}"


GATHERED = f"{ROOT}/gathered"


# The shell text names folders and not the files of every cell: a wide grid's file names would
# not fit on one command line. The script opens exactly the cells that the spec lists.
rule gather_evaluations:
    input:
        evaluations=cells(f"{EVALUATION}/evaluation.csv"),
        samples=cells(f"{EVALUATION}/samples.parquet"),
        indices=cells(f"{EVALUATION}/indices.parquet"),
        metrics=cells(f"{POLICY}/metrics.jsonl"),
    output:
        evaluations=f"{GATHERED}/evaluations.csv",
        samples=f"{GATHERED}/samples.parquet",
        indices=f"{GATHERED}/indices.parquet",
        training=f"{GATHERED}/training.parquet",
    log:
        "results/logs/gather_evaluations.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            root=ROOT,
            methods=STUDY.methods,
            seeds=STUDY.seeds,
            shifts=STUDY.shifts,
            n=STUDY.n,
        ),
        code=fingerprint("link_robustness.gather_evaluations"),
    message:
        "Gather all evaluations of the grid into one table each"
    shell:
        "exec python -m run_job --log {log} link_robustness/gather_evaluations "
        "--evaluations {output.evaluations} --samples {output.samples} "
        "--indices {output.indices} --training {output.training} "
        "--spec {params.spec:q} --code {params.code:q}"
