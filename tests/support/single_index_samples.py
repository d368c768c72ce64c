"""A small single-index world for tests: two or three seeds, narrow networks, few pairs."""

from pathlib import Path

import torch

from prefgrid.objectives import base
from prefgrid.studies.single_index import training, world

SIZE = world.Size(dimension=4, actions=5, hidden=8, contexts=60)
REWARD_SCALE = 10.0
SEEDS = (3, 4, 5)
PAIRS = 50
SHIFT, TAU = 0.5, 0.25


def draws(seeds=SEEDS) -> world.Draws:
    return world.draw(seeds, PAIRS, SIZE)


def trained(name="dpo", options=None, seeds=SEEDS, epochs=3, learning_rate=2e-3):
    """(draws, labels, objectives, result) of a short training."""
    drawn = draws(seeds)
    labels = world.labels(drawn, REWARD_SCALE, SHIFT, TAU)
    settings = training.Options(epochs=epochs, batch_size=16, learning_rate=learning_rate)
    objectives = [
        base.create(name, options or {}, settings.schedule(PAIRS, seed)) for seed in seeds
    ]
    result = training.train(drawn, labels, objectives, settings, Path("unused"))
    return drawn, labels, objectives, result


def module(network: dict, run: int) -> torch.nn.Sequential:
    """One network of a stack as PyTorch's own layers."""
    layers = []
    for k in range(len(network) // 2):
        weight, bias = network[f"weight_{k}"][run], network[f"bias_{k}"][run]
        layer = torch.nn.Linear(*weight.shape)
        layer.weight.data, layer.bias.data = weight.T.clone(), bias[0].clone()
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])
