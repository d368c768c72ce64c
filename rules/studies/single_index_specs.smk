# The single-index study's cells, and what its params hold.

SINGLE = CONFIG.single_index
SINGLE_ROOT = "results/single_index"
SINGLE_DATA = "shift={shift}/tau={tau}/n={n}/seeds={seeds}"


def seed_blocks():
    """Blocks of seeds that one job trains together, in their path form: 0-9, 10-19, …"""
    starts = range(0, SINGLE.seeds, SINGLE.seeds_per_job)
    return [f"{k}-{min(k + SINGLE.seeds_per_job, SINGLE.seeds) - 1}" for k in starts]


def single_cells(pattern):
    """`pattern` filled with every cell of the study, by method too where it has {method}."""
    methods = SINGLE.methods if "{method}" in pattern else [None]
    axes = itertools.product(methods, SINGLE.shifts, SINGLE.tau, SINGLE.n, seed_blocks())
    return [
        pattern.format(method=m, shift=repr(s), tau=repr(t), n=n, seeds=b) for m, s, t, n, b in axes
    ]


def block_ends(wildcards):
    return [int(seed) for seed in wildcards.seeds.split("-")]


def single_draws_spec(wildcards):
    size = SINGLE.world.model_dump(exclude={"reward_scale"})
    return spec(seeds=block_ends(wildcards), n=int(wildcards.n), size=size)


def single_policy_spec(wildcards):
    method = CONFIG.methods[wildcards.method]
    options = SINGLE.options_of(wildcards.method, method.options)
    return spec(
        seeds=block_ends(wildcards),
        shift=float(wildcards.shift),
        tau=float(wildcards.tau),
        reward_scale=SINGLE.world.reward_scale,
        objective=method.objective,
        options=objectives.constants(method.objective)["OPTIONS"] | options,
        training=SINGLE.training_of(wildcards.method).model_dump(),
    )


def single_policy_code(wildcards):
    objective = CONFIG.methods[wildcards.method].objective
    return fingerprint("single_index.train_single_index", objectives.module_name(objective))


def single_evaluation_spec(wildcards):
    return spec(
        seeds=block_ends(wildcards),
        shift=float(wildcards.shift),
        tau=float(wildcards.tau),
        reward_scale=SINGLE.world.reward_scale,
        kappa=SINGLE.evaluation.kappa,
        beta_grid=SINGLE.evaluation.beta_grid,
    )


def single_variants():
    """Pairs of labels of one learner in the grid, [newer, older]: a label against its _published
    one, any other `label_variant` against its `label`."""
    pairs = []
    for label, longer in itertools.permutations(SINGLE.methods, 2):
        if longer == f"{label}_published":
            pairs.append([label, longer])
        elif longer.startswith(f"{label}_"):
            pairs.append([longer, label])
    return pairs


def single_training_words(label):
    training = SINGLE.training_of(label)
    return f"{training.epochs} epochs, {training.batch_size} pairs a step, lr {training.learning_rate:g}"


def single_facts():
    """What the report says about the study, beyond its grid and its training."""
    world, betas = SINGLE.world, sorted(SINGLE.evaluation.beta_grid)
    return [
        ["World", f"{world.actions} actions, contexts of {world.dimension} numbers"],
        ["Teacher and students", f"two hidden layers of {world.hidden}"],
        ["Evaluation", f"exact, on {world.contexts:,} held-out contexts"],
        ["Scanned β", f"{len(betas)} values from {betas[0]:g} to {betas[-1]:g}"],
    ]
