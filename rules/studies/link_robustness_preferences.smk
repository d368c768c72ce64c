# From prompts to labelled pairs: sample once a seed, score once a seed, label once a cell.


rule sample_responses:
    input:
        prompts=f"{ROOT}/prompts/train.jsonl",
        reference=f"{REFERENCE}/manifest.json",
        weights=ancient(f"{REFERENCE}/model.safetensors"),
    output:
        responses=f"{ROOT}/responses/seed={{seed}}/shard={{shard}}/responses.jsonl",
    log:
        "results/logs/sample_responses/seed={seed}/shard={shard}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=response_spec,
        code=fingerprint("steps.sample_responses"),
    message:
        "Responses: two a prompt, seed {wildcards.seed}, shard {wildcards.shard}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/sample_responses "
        "--prompts {input.prompts} --reference {input.reference} --responses {output.responses} "
        "--spec {params.spec:q} --code {params.code:q}"


rule score_responses:
    input:
        responses=shards(f"{ROOT}/responses/seed={{seed}}/shard={{shard}}/responses.jsonl"),
        reward=f"{REWARD}/manifest.json",
        weights=ancient(f"{REWARD}/model.safetensors"),
    output:
        rewards=f"{ROOT}/rewards/seed={{seed}}/rewards.jsonl",
    log:
        "results/logs/score_responses/seed={seed}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=reward_spec,
        code=fingerprint("steps.score_responses"),
    message:
        "Rewards: score both responses of every pair, seed {wildcards.seed}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/score_responses "
        "--responses {input.responses} --reward {input.reward} --rewards {output.rewards} "
        "--spec {params.spec:q} --code {params.code:q}"


rule compute_reference_logps:
    input:
        responses=shards(f"{ROOT}/responses/seed={{seed}}/shard={{shard}}/responses.jsonl"),
        reference=f"{REFERENCE}/manifest.json",
        weights=ancient(f"{REFERENCE}/model.safetensors"),
    output:
        logps=f"{ROOT}/reference_logps/seed={{seed}}/logps.parquet",
    log:
        "results/logs/compute_reference_logps/seed={seed}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            batch_size=CONFIG.logp_batch_size,
            precision=CONFIG.training.precision,
        ),
        code=fingerprint("steps.compute_reference_logps"),
    message:
        "Reference log-probabilities of every response, seed {wildcards.seed}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/compute_reference_logps "
        "--responses {input.responses} --reference {input.reference} --logps {output.logps} "
        "--spec {params.spec:q} --code {params.code:q}"


PREFERENCES = f"{ROOT}/preferences/seed={{seed}}/shift={{shift}}/n={{n}}"


rule label_preferences:
    input:
        rewards=f"{ROOT}/rewards/seed={{seed}}/rewards.jsonl",
    output:
        preferences=f"{PREFERENCES}/preferences.jsonl",
    log:
        "results/logs/label_preferences/seed={seed}/shift={shift}/n={n}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=preference_spec,
        code=fingerprint("link_robustness.label_preferences"),
    message:
        "Preferences: seed {wildcards.seed}, shift {wildcards.shift}, n {wildcards.n}"
    shell:
        "exec python -m run_job --log {log} link_robustness/label_preferences --rewards {input.rewards} "
        "--preferences {output.preferences} --spec {params.spec:q} --code {params.code:q}"


rule export_preferences:
    input:
        preferences=f"{PREFERENCES}/preferences.jsonl",
    output:
        pairs=f"{PREFERENCES}/chosen_rejected/pairs.jsonl",
    log:
        "results/logs/export_preferences/seed={seed}/shift={shift}/n={n}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(),
        code=fingerprint("link_robustness.export_preferences"),
    message:
        "Export as chosen and rejected: seed {wildcards.seed}, shift {wildcards.shift}, n {wildcards.n}"
    shell:
        "exec python -m run_job --log {log} link_robustness/export_preferences --preferences {input.preferences} "
        "--pairs {output.pairs} --spec {params.spec:q} --code {params.code:q}"
