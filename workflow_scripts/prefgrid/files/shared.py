"""Where artifacts lie that are made once for all studies."""

from prefgrid.files import cells

COMPARISONS = "results/comparisons"
PREFERENCE_MODELS = "results/preference_models"


def preference_model(label: str, on: str, seed: int) -> str:
    """Folder of the model with this label, trained on these comparisons."""
    return f"{PREFERENCE_MODELS}/{cells.folders({'model': label, 'on': on, 'seed': seed})}"
