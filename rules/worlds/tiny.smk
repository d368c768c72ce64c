# The tiny world: data, tokenizer, base model and reward model, made here from nothing.

TINY = CONFIG.tiny_world
# By samples of the reference that some study of the run makes and scores anyway.
SCORED = [path for study in WIRING.values() if (path := study.assessed())][:1]
QUALITY = ["results/data/tiny_world_quality/quality.json"] if SCORED else []
# What all else comes from.
SOURCE_FILES = ["results/models/base/manifest.json", f"{REWARD}/manifest.json", CONFIG.data.path]
# Models that are made here are known.
REHEARSALS = []


rule write_tiny_data:
    output:
        data=CONFIG.data.path,
    log:
        "results/logs/write_tiny_data.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=spec(**TINY.data.model_dump()),
        code=fingerprint("worlds.write_tiny_data"),
    message:
        "Tiny world: instructions and scored responses in UltraFeedback's schema"
    shell:
        "exec python -m run_job --log {log} worlds/write_tiny_data --data {output.data} "
        "--spec {params.spec:q} --code {params.code:q}"


rule train_tiny_tokenizer:
    input:
        data=CONFIG.data.path,
    output:
        tokenizer="results/models/tokenizer/tokenizer.json",
        config="results/models/tokenizer/tokenizer_config.json",
    log:
        "results/logs/train_tiny_tokenizer.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=spec(**TINY.tokenizer.model_dump(), data=CONFIG.data.reading),
        code=fingerprint("worlds.train_tiny_tokenizer", CONFIG.data.module),
    message:
        "Tiny world: byte-level BPE tokenizer with a chat template"
    shell:
        "exec python -m run_job --log {log} worlds/train_tiny_tokenizer --data {input.data} "
        "--tokenizer {output.tokenizer} --config {output.config} "
        "--spec {params.spec:q} --code {params.code:q}"


rule train_tiny_base:
    input:
        data=CONFIG.data.path,
        tokenizer="results/models/tokenizer/tokenizer.json",
        tokenizer_config="results/models/tokenizer/tokenizer_config.json",
    output:
        manifest="results/models/base/manifest.json",
        weights="results/models/base/model.safetensors",
        config="results/models/base/config.json",
        tokenizer="results/models/base/tokenizer.json",
    log:
        "results/logs/train_tiny_base.log",
    conda:
        "../../envs/prefgrid.yaml"
    threads: 2
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(**TINY.base.model_dump(), data=CONFIG.data.reading),
        code=fingerprint("worlds.train_tiny_base", CONFIG.data.module),
    message:
        "Tiny world: train the base language model"
    shell:
        "exec python -m run_job --log {log} worlds/train_tiny_base "
        "--data {input.data} --tokenizer-file {input.tokenizer} "
        "--tokenizer-config {input.tokenizer_config} --weights {output.weights} "
        "--config {output.config} --tokenizer {output.tokenizer} --manifest {output.manifest} "
        "--spec {params.spec:q} --code {params.code:q}"


rule train_tiny_reward:
    input:
        data=CONFIG.data.path,
        base="results/models/base/manifest.json",
        base_weights=ancient("results/models/base/model.safetensors"),
    output:
        manifest=f"{REWARD}/manifest.json",
        weights=f"{REWARD}/model.safetensors",
        config=f"{REWARD}/config.json",
        tokenizer=f"{REWARD}/tokenizer.json",
    log:
        "results/logs/train_tiny_reward.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            **TINY.reward.model_dump(),
            data=CONFIG.data.reading,
            prompt_format=CONFIG.prompt_format,
        ),
        code=fingerprint("worlds.train_tiny_reward", CONFIG.data.module),
    message:
        "Tiny world: train the reward model on the rule"
    shell:
        "exec python -m run_job --log {log} worlds/train_tiny_reward "
        "--data {input.data} --base {input.base} --weights {output.weights} "
        "--config {output.config} --tokenizer {output.tokenizer} --manifest {output.manifest} "
        "--spec {params.spec:q} --code {params.code:q}"


rule assess_tiny_world:
    input:
        samples=SCORED,
        reference=f"{REFERENCE}/manifest.json",
        weights=ancient(f"{REFERENCE}/model.safetensors"),
        reward=f"{REWARD}/manifest.json",
        reward_weights=ancient(f"{REWARD}/model.safetensors"),
    output:
        quality="results/data/tiny_world_quality/quality.json",
    log:
        "results/logs/assess_tiny_world.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(reward=judges.constants("scalar")[0], prompt_format=CONFIG.prompt_format),
        code=fingerprint("worlds.assess_tiny_world"),
    message:
        "Tiny world: is the reference fluent and diverse, is the reward model right?"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} worlds/assess_tiny_world "
        "--samples {input.samples} --reference {input.reference} "
        "--reward {input.reward} --quality {output.quality} "
        "--spec {params.spec:q} --code {params.code:q}"
