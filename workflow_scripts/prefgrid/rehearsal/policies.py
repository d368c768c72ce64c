"""Everything that jobs do with a base model, once and with a few tokens, against plain forwards.

A family that batches, caches, scores or takes adapters in a way of its own is found here, minutes
after it was fetched and not in an evaluation, days later.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prefgrid import chat
from prefgrid.job import devices
from prefgrid.logprobs.agreement import check_log_probs, own_logits, own_logps
from prefgrid.logprobs.sequence import response_logps
from prefgrid.models import gradient_checkpointing, loading
from prefgrid.models.row_lengths import check_texts, template_tokens
from prefgrid.rehearsal.comparing import check, logits_error, stage
from prefgrid.rehearsal.gradients import check_adapter, gradients_of, relative_error
from prefgrid.sampling.decode import decode
from prefgrid.sampling.passes import Pass
from prefgrid.sampling.request import DecodingOptions
from prefgrid.sampling.two_models import policy_and_reference

# Unequal lengths: a batch of them is padded.
PROMPTS = "Name a colour.", "What does a lighthouse do at night?"
RESPONSES = "Blue.", "It shows ships where the rocks are."
# Each prompt twice: its cache is copied to its samples.
SAMPLES = 2
NEW_TOKENS = 2
# Of the longest row: its last tokens are compared, and a run that allows more is not tried for longer.
LAST_TOKENS, LONGEST_ROW = 8, 4096
# An adapter's own size does not matter here, only where it is put and that it changes something.
LORA: dict[str, Any] = {"rank": 4, "alpha": 8, "dropout": 0.0, "seed": 0}
STRENGTH = 0.05
ENDS = "logits at weight 1", "logits at weight 0"
# Targets of a training without an adapter.
ALL_WEIGHTS = "all-weights"


def rehearse(
    folder: Path | str,
    prompt_format: str,
    trainings: Sequence[Mapping[str, Any]],
    text_tokens: int,
) -> dict[str, dict[str, float]]:
    """Sample, score and adapt the model in `folder`; returns stage → error by what was compared.

    trainings: {precision, targets, gradient_checkpointing} of what is trained on it; targets null where
    nothing is, `ALL_WEIGHTS` without an adapter. text_tokens: most of a prompt's own text and a response,
    of which one row is scored. Errors of logits are relative (`logits_error`), those of log-probabilities
    in nats a token, those of gradients a share of their norm. ValueError naming the stage, the model's
    type and what is allowed, where one fails or is too far off.
    """
    tokenizer = loading.load_tokenizer(folder)
    kind = loading.load_config(folder).model_type
    with stage("prompts and responses", kind):
        prompts = [chat.render_prompt(tokenizer, text, prompt_format) for text in PROMPTS]
        end = chat.end_id(tokenizer, prompt_format)
        responses = [
            chat.encode_responses(tokenizer, prompt, [response], prompt_format, end)[0]
            for prompt, response in zip(PROMPTS, RESPONSES, strict=True)
        ]
        template = template_tokens(tokenizer, prompt_format)
    # Ours may be longer than those of a run on a very small model.
    row_tokens = text_tokens + template
    prompts, responses = (
        [tokens[-max(1, row_tokens // 2) :] for tokens in texts] for texts in (prompts, responses)
    )
    pad_id, errors = loading.pad_id(tokenizer), {}
    for precision in dict.fromkeys(map(_loaded, trainings)):
        with devices.explained_out_of_memory("raise execution.mem_mb, or use a smaller model"):
            with stage(f"loading in precision {precision}", kind):
                model = loading.load_causal_lm(folder, precision)
                check_texts(model, text_tokens, template)
            actor = _Actor(prompts, responses, pad_id, precision)
            model = model.to(devices.device())
            name = f"a row of {min(row_tokens, LONGEST_ROW)} tokens in precision {precision}"
            with stage(name, kind):
                errors[name] = actor.longest(model, min(row_tokens, LONGEST_ROW))
            name = f"decoding in precision {precision}"
            with stage(name, kind):
                errors[name] = actor.decoded(model)
            name = f"log-probabilities in precision {precision}"
            with stage(name, kind):
                errors[name] = actor.scored(model)
            for one in trainings:
                targets = one["targets"]
                if _loaded(one) != precision or targets is None:
                    continue
                recomputed = one["gradient_checkpointing"]
                name = _name(one)
                with stage(name, kind):
                    if targets == ALL_WEIGHTS:
                        tuner = _Actor(prompts, responses, pad_id, one["precision"])
                        errors[name] = tuner.tuned(model, recomputed)
                    else:
                        policy = loading.add_lora(model.cpu(), **LORA, targets=targets)
                        policy = policy.to(devices.device()).eval()
                        errors[name] = actor.adapted(policy, recomputed)
                        model = policy.unload()
    return errors


def _loaded(training: Mapping[str, Any]) -> str:
    """The weights' precision: a full fine-tune has float32, whatever it computes in."""
    return "none" if training["targets"] == ALL_WEIGHTS else training["precision"]


def _name(training: Mapping[str, Any]) -> str:
    targets = training["targets"]
    words = targets if isinstance(targets, str) else ", ".join(targets)
    what = "all weights" if targets == ALL_WEIGHTS else f"an adapter of {words}"
    how = " with gradient checkpointing" if training["gradient_checkpointing"] else ""
    return f"{what} in precision {training['precision']}{how}"


class _Actor:
    """What is done with any model, plain or adapted; each part returns errors by name."""

    def __init__(
        self,
        prompts: list[list[int]],
        responses: list[list[int]],
        pad_id: int,
        precision: str,
    ) -> None:
        self.prompts = prompts
        self.responses = responses
        self.pad_id = pad_id
        self.precision = precision

    def decoded(self, model: Any, adapted: bool = False) -> dict[str, float]:
        """Greedy decoding of a padded batch against each text alone; if adapted, of the mixture's two
        ends, the policy and its reference."""
        steps: list[Tensor] = []
        # No token ends a text, so that all have as many.
        options = DecodingOptions(eos_ids=(-1,), pad_id=self.pad_id, max_new_tokens=NEW_TOKENS)

        def choose(logits: Tensor, rows: Tensor, uniform: Tensor, live: Tensor) -> Tensor:
            steps.append(logits.unflatten(1, (-1, SAMPLES)))
            return steps[-1][0, :, 0].argmax(dim=-1).repeat_interleave(SAMPLES)

        unused = torch.zeros(
            SAMPLES * len(self.prompts), NEW_TOKENS, dtype=torch.float64, device=model.device
        )
        with policy_and_reference(model) if adapted else nullcontext((Pass(),)) as passes:
            responses = decode(model, self.prompts, unused, choose, options, passes)
        errors = {}
        for reading, name in enumerate(ENDS if adapted else ("logits",)):
            with torch.no_grad(), model.disable_adapter() if reading else nullcontext():
                plain = [
                    own_logits(model, prompt + response.tokens[:-1])[-NEW_TOKENS:]
                    for prompt, response in zip(self.prompts, responses[::SAMPLES], strict=True)
                ]
            found = torch.stack([logits[reading] for logits in steps], dim=2)
            error = logits_error(found, torch.stack(plain)[:, None])
            errors[name] = check(name, error, self.precision)
        return errors

    def scored(self, model: Any, differentiate: bool = False) -> dict[str, float]:
        """Log-probabilities of unequal responses, in one batch, against each text alone; and a row's
        against the attention that the model's own code spells out."""
        with torch.set_grad_enabled(differentiate):
            sums, lengths = self._sums(model)
        if differentiate:
            sums.sum().backward()
        with torch.no_grad():
            plain = self._plain_sums(model)
        error = ((sums.detach() - plain).abs() / lengths).max().item()
        check("log-probabilities", error, self.precision)
        check_log_probs(model, self.prompts[1] + self.responses[1], self.pad_id)
        return {"log-probabilities": error}

    def longest(self, model: Any, tokens: int) -> dict[str, float]:
        """Log-probabilities at the end of one row of so many tokens: what windows and positions do is not
        seen in short ones."""
        text = [token for prompt in self.prompts for token in prompt]
        row = (text * (tokens // len(text) + 1))[: max(tokens, 2)]
        start = max(1, len(row) - LAST_TOKENS)
        with torch.no_grad():
            ours, _ = response_logps(model, [row[:start]], [[row[start:]]], pad_id=self.pad_id)
            plain = own_logps(model, row)[start - 1 :].sum()
        error = ((ours - plain).abs() / (len(row) - start)).max().item()
        return {"log-probabilities": check("log-probabilities", error, self.precision)}

    def adapted(self, policy: Any, recomputed: bool) -> dict[str, float]:
        """The mixture's two ends, the policy's log-probabilities, and where their gradient goes."""
        _let_it_act(policy)
        errors = self.decoded(policy, adapted=True) | self.scored(policy, differentiate=True)
        check_adapter(policy)
        return errors | (self.recomputed(policy) if recomputed else {})

    def tuned(self, model: Any, recomputed: bool) -> dict[str, float]:
        """The gradient of all weights, in the precision that they are trained in, against that of each
        text alone in float32."""
        model.requires_grad_(True)
        plain = gradients_of(model, lambda: self._plain_sums(model))
        context: AbstractContextManager[Any] = nullcontext()
        if self.precision != "none":
            context = torch.autocast(model.device.type, loading.DTYPES[self.precision])
        with context:
            found = gradients_of(model, lambda: self._sums(model)[0])
            error = relative_error(found, plain)
            errors = {"gradients": check("gradients", error, self.precision)}
            errors |= self.recomputed(model) if recomputed else {}
        model.zero_grad(set_to_none=True)
        return errors

    def recomputed(self, model: Any) -> dict[str, float]:
        """The gradient under gradient checkpointing against the one without."""
        plain = gradients_of(model, lambda: self._sums(model)[0])
        with gradient_checkpointing.applied(model):
            found = gradients_of(model, lambda: self._sums(model)[0])
        name = "gradients under gradient checkpointing"
        return {name: check(name, relative_error(found, plain), self.precision)}

    def _plain_sums(self, model: Any) -> Tensor:
        """[texts] nats of the responses, each text alone by the model's own forward."""
        return torch.stack(
            [
                own_logps(model, prompt + response)[len(prompt) - 1 :].sum()
                for prompt, response in zip(self.prompts, self.responses, strict=True)
            ]
        )

    def _sums(self, model: Any) -> tuple[Tensor, Tensor]:
        groups = [[response] for response in self.responses]
        return response_logps(model, self.prompts, groups, pad_id=self.pad_id)


def _let_it_act(policy: Any) -> None:
    """Make a new adapter, which changes nothing yet, change the model visibly."""
    noise = torch.Generator().manual_seed(LORA["seed"])
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.copy_(STRENGTH * torch.randn(weight.shape, generator=noise))
