"""A policy as AlpacaEval's `models_configs` have models: an entry, and the template of its prompts.

Inputs: policy (manifest.json of the merged model). Outputs: config (configs.yaml), prompt (prompt.txt), in a folder
that has the model's name. Spec: prompt_format, precision (of none, bf16, fp16: what vLLM holds the weights in),
max_new_tokens, temperature, top_p.
"""

from types import SimpleNamespace

import transformers

from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.models import alpaca_eval, loading
from prefgrid.sampling.request import stop_ids


def main(job: jobs.Job) -> None:
    decoding = dict(job.spec)
    prompt_format = decoding.pop("prompt_format")
    folder = job.inputs["policy"].parent
    tokenizer = loading.load_tokenizer(folder)
    # All of a model that decides what ends a response; its weights are not needed.
    model = SimpleNamespace(generation_config=transformers.GenerationConfig.from_pretrained(folder))
    text = alpaca_eval.entry(
        job.finals["config"].parent.name,
        str(folder),
        stop_ids=stop_ids(tokenizer, model, prompt_format),
        **decoding,
    )
    store.write_text(job.outputs["config"], text)
    store.write_text(job.outputs["prompt"], alpaca_eval.template(tokenizer, prompt_format))


if __name__ == "__main__":
    jobs.run(main, inputs=("policy",), outputs=("config", "prompt"))
