"""By how much two sound ways to compute a model's values may differ."""

import torch

INERT = True

# Shares of a value, or of 1 where that is more. Other rows and another attention round the hidden states
# anew, at each layer, to the weights' dtype: in tiny models of 23 families, of 12 layers, by 3e-7, .001 and
# .006; wide and deep ones and experts' routers get more room.
SHARES = {torch.float64: 1e-4, torch.float32: 1e-4, torch.float16: 0.05, torch.bfloat16: 0.2}


def share(model: torch.nn.Module) -> float:
    """Of a model from transformers, by the dtype of its weights."""
    return SHARES[model.get_input_embeddings().weight.dtype]
