"""Preference links: how likely is response 1 preferred, given a utility difference?

Source: SPO (arXiv 2512.21917), the shifted logistic mixture of its experiments.
"""

import numpy as np
from scipy.special import expit

# Smaller temperatures overflow u / T for ordinary utilities.
SMALLEST_TEMPERATURE = 1.0e-8


def mixture(utility_diff: np.ndarray, shift: float, temperature: float) -> np.ndarray:
    """P(response 1 preferred) = ½·σ(u/T − s) + ½·σ(u/T + s), same shape as `utility_diff`.

    u = r₁ − r₀ (any unit), T > 0 in the unit of u, s ≥ 0 in units of u/T. Symmetric:
    Ψ(−u) = 1 − Ψ(u). s = 0 is the logistic (Bradley–Terry) link; for s > ln(2 + √3) ≈ 1.317 the
    slope at 0 falls below the slope further out and the link has a plateau at ½.
    """
    if shift < 0:
        raise ValueError(f"link shift {shift}: must be >= 0")
    if temperature <= 0:
        raise ValueError(f"link temperature {temperature}: must be > 0")
    scaled = np.asarray(utility_diff, dtype=np.float64) / max(temperature, SMALLEST_TEMPERATURE)
    return 0.5 * expit(scaled - shift) + 0.5 * expit(scaled + shift)
