# Prompt pools: disjoint training and evaluation prompts, the same for every study and cell.


rule build_prompt_pools:
    input:
        data=CONFIG.data.path,
        tokenizer="results/models/base/tokenizer.json",
    output:
        train="results/data/prompts/train.jsonl",
        evaluation="results/data/prompts/eval.jsonl",
    log:
        "results/logs/build_prompt_pools.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=spec(
            data=CONFIG.data.reading,
            max_prompt_tokens=CONFIG.max_prompt_tokens,
        ),
        code=fingerprint("steps.build_prompt_pools", CONFIG.data.module),
    message:
        "Prompt pools: hash split into training and evaluation"
    shell:
        "exec python -m run_job --log {log} steps/build_prompt_pools --data {input.data} "
        "--tokenizer {input.tokenizer} --train {output.train} --evaluation {output.evaluation} "
        "--spec {params.spec:q} --code {params.code:q}"
