# Prompt pools: disjoint training and evaluation prompts, the same for every cell.


rule build_prompt_pools:
    input:
        data="results/data/ultrafeedback/train.jsonl",
        tokenizer="results/models/base/tokenizer.json",
    output:
        train=f"{ROOT}/prompts/train.jsonl",
        evaluation=f"{ROOT}/prompts/eval.jsonl",
    log:
        "results/logs/build_prompt_pools.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=spec(
            data=CONFIG.data.model_dump(),
            prompts=STUDY.prompts.model_dump(),
            max_prompt_tokens=CONFIG.max_prompt_tokens,
        ),
        code=fingerprint("steps.build_prompt_pools"),
    message:
        "Prompt pools: hash split into training and evaluation"
    shell:
        "exec python -m run_job --log {log} steps/build_prompt_pools --data {input.data} "
        "--tokenizer {input.tokenizer} --train {output.train} --evaluation {output.evaluation} "
        "--spec {params.spec:q} --code {params.code:q}"
