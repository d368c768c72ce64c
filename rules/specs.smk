# What the params hold. Exactly the config that a cell uses, as one canonical-JSON string, and the
# fingerprint of its code where that depends on the cell. And how results enter the report.

import functools


def model_spec(wildcards):
    return spec(
        **getattr(CONFIG.hub.models, wildcards.name).model_dump(),
        name=wildcards.name,
        prompt_format=CONFIG.prompt_format,
    )


def response_spec(wildcards):
    return spec(
        seed=int(wildcards.seed),
        shard=int(wildcards.shard),
        pairs=max(STUDY.n),
        generation=STUDY.generation.model_dump(),
        prompt_format=CONFIG.prompt_format,
        precision=CONFIG.training.precision,
    )


def reward_spec(wildcards):
    return spec(
        seed=int(wildcards.seed),
        reward=CONFIG.reward.model_dump(),
        prompt_format=CONFIG.prompt_format,
    )


@asked_often
def preference_spec(wildcards):
    return spec(
        shift=float(wildcards.shift),
        n=int(wildcards.n),
        link_temperature=STUDY.link_temperature,
    )


@functools.cache
def learner(label):
    """How a grid label is trained, the same in all of its cells."""
    method = CONFIG.methods[label]
    return {
        "objective": method.objective,
        "options": objectives.constants(method.objective)["OPTIONS"] | method.options,
        "training": CONFIG.training_of(method.training).model_dump(),
    }


@asked_often
def policy_spec(wildcards):
    return spec(seed=int(wildcards.seed), **learner(wildcards.method))


@asked_often
def policy_code(wildcards):
    objective = CONFIG.methods[wildcards.method].objective
    return fingerprint("steps.train_policy", objectives.module_name(objective))


EVALUATION_SPEC = {
    "link_temperature": STUDY.link_temperature,
    "evaluation": STUDY.evaluation.model_dump(exclude={"kappa", "reference_samples"}),
    "reward": CONFIG.reward.model_dump(),
    "prompt_format": CONFIG.prompt_format,
    "batch_size": CONFIG.logp_batch_size,
}


REFERENCE_SAMPLE_LOGPS = f"{ROOT}/reference_samples/logps.parquet"


@asked_often
def reference_sample_logps(wildcards):
    """The table, unless the policy's base has other weights than what the table was made with."""
    same = learner(wildcards.method)["training"]["precision"] == CONFIG.training.precision
    return REFERENCE_SAMPLE_LOGPS if same else []


@asked_often
def evaluation_spec(wildcards):
    return spec(
        method=wildcards.method,
        seed=int(wildcards.seed),
        shift=float(wildcards.shift),
        n=int(wildcards.n),
        precision=learner(wildcards.method)["training"]["precision"],
        **EVALUATION_SPEC,
    )


def figure(name, format, study="link_robustness"):
    """A figure file; the SVG also goes into `snakemake --report`."""
    path = f"results/{study}/figures/{name}.{format}"
    if format == "png":
        return path
    labels = {"study": study, "figure": name.replace("_", " ")}
    return report(path, caption=caption(study, name), category="Figures", labels=labels)


def table(name, study="link_robustness"):
    """A table file, which also goes into `snakemake --report`."""
    path = f"results/{study}/tables/{name}.csv"
    labels = {"study": study, "table": name}
    return report(path, caption=caption(study, name), category="Tables", labels=labels)


def caption(study, name):
    return os.path.join(workflow.basedir, "rules", "captions", study, f"{name}.rst")


def trainings(labels, words):
    """How the report words the methods' training: [labels worded alike, words(label)] each."""
    groups = {}
    for label in labels:
        groups.setdefault(words(label), []).append(label)
    return [[alike, text] for text, alike in groups.items()]


def training_words(label):
    method = CONFIG.methods[label]
    training = CONFIG.training_of(method.training)
    options = objectives.constants(method.objective)["OPTIONS"] | method.options
    length = f"{training.epochs:g} epochs" if training.epochs else f"{training.max_steps} steps"
    words = [
        length,
        f"{training.batch_size} pairs a step",
        f"lr {training.learning_rate:g}",
        f"LoRA rank {training.lora.rank}" if training.lora else "all weights",
        precision_name(training.precision),
    ]
    if "beta_train" in options:  # another's objective may have none
        words.insert(3, f"training β {options['beta_train']:g}")
    return ", ".join(words)


def precision_name(precision):
    return "float32" if precision == "none" else precision


def facts():
    """What the report says about the run, beyond the grid itself and its training."""
    evaluation = STUDY.evaluation
    sampling, reward = CONFIG.training.precision, CONFIG.reward.precision
    responses = "one response" if evaluation.samples == 1 else f"{evaluation.samples} responses"
    return [
        ["World", CONFIG.world],
        ["Evaluation", f"{evaluation.prompts} held-out prompts, {responses} to each at every β"],
        ["Scanned β", ", ".join(f"{beta:g}" for beta in sorted(evaluation.beta_grid))],
        [
            "Precision",
            f"reference {precision_name(sampling)}, reward model {precision_name(reward)}",
        ],
    ]
