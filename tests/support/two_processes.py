"""What each of two processes does in `test_training_processes`: `two_processes.py FOLDER`."""

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[2] / "workflow_scripts")]

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from tiny_runs import (  # noqa: E402
    BATCH,
    DROPOUT,
    KILLED,
    SHARED_STEPS,
    one_group_a_forward,
    run,
    shared_methods,
)

from prefgrid.files import store  # noqa: E402
from prefgrid.run import execution  # noqa: E402
from prefgrid.training import loop  # noqa: E402
from prefgrid.training.processes import Processes  # noqa: E402


class Killed(BaseException):
    """What a kill of both processes leaves behind, in a process that lives on."""


def main(folder: Path) -> None:
    own = folder / f"rank={os.environ['RANK']}"
    differences = {}
    for label in shared_methods():
        with one_group_a_forward(), compared(differences.setdefault(label, [])):
            run(label, own / label, elsewhere=True, micro_batch_size=BATCH, max_steps=SHARED_STEPS)
    store.write_json(own / "differences.json", differences)
    dropout(own)
    resume(folder, own)
    failures(folder, own)
    dist.destroy_process_group()  # as `elastic_worker` does


@contextmanager
def compared(differences: list):
    """Within, each step is also computed by one process, from the same weights. Appended are the
    largest differences from it of the loss and of the gradient, this relative to its largest entry,
    with a whole share in one micro-batch and with one row in each."""
    step = loop.loss_and_gradient

    def every_way(forward, objective, rows, reference, backward, share):
        weights = [weight for weight in forward.model.parameters() if weight.requires_grad]
        single_rows = replace(forward, options=replace(forward.options, micro_batch_size=1))
        results = []
        for way in (replace(forward, processes=Processes()), single_rows, forward):
            forward.model.zero_grad()
            loss, batch = step(way, objective, rows, reference, backward, share)
            gradient = flat(weights)
            if way.processes.count > 1:
                dist.all_reduce(gradient)
            results.append((loss, gradient))
        alone, *others = results
        scale = alone[1].abs().max().clamp(min=1e-30)
        differences.append(
            [
                max((loss - alone[0]).abs().item() for loss, _ in others),
                max(((gradient - alone[1]).abs().max() / scale).item() for _, gradient in others),
            ]
        )
        return loss, batch

    loop.loss_and_gradient = every_way
    yield
    loop.loss_and_gradient = step


def flat(weights: list) -> torch.Tensor:
    gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
    return torch.cat([gradient.flatten() for gradient in gradients])


def dropout(own: Path) -> None:
    seeds, seed = [], torch.manual_seed
    torch.manual_seed = lambda value: seeds.append(value) or seed(value)
    run("dpo", own / "dropout", dropout=DROPOUT, max_steps=SHARED_STEPS)
    torch.manual_seed = seed
    store.write_json(own / "seeds.json", seeds)


def resume(folder: Path, own: Path) -> None:
    os.environ[execution.VARIABLE] = json.dumps({"checkpoint_seconds": 0})
    settings = {"dropout": DROPOUT, "max_steps": 7}
    for label in KILLED:
        calls, step = [], loop.loss_and_gradient

        def deadly(*arguments, calls=calls, step=step):
            calls.append(arguments)
            if len(calls) == 6:
                raise Killed
            return step(*arguments)

        loop.loss_and_gradient = deadly
        work = folder / f"work-{label}"
        try:
            run(label, own / "resumed" / label, **settings, work=work)
        except Killed:
            loop.loss_and_gradient = step
            # The first, which saves, may come here later; a kill would leave nobody to load meanwhile.
            dist.barrier()
        run(label, own / "resumed" / label, **settings, work=work)
        run(label, own / "quiet" / label, **settings)


def failures(folder: Path, own: Path) -> None:
    """A batch that is not finite; a work folder in which the second process finds nothing."""
    said = []
    works = {"rank=0": folder / "work-pspo", "rank=1": folder / "none"}
    for changes in ({"learning_rate": 1e38}, {"work": works[own.name]}):
        try:
            run("pspo", own / "failed", max_steps=7, **changes)
        except (FloatingPointError, RuntimeError) as error:
            said.append(f"{type(error).__name__}: {error}")
    store.write_json(own / "failures.json", said)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
