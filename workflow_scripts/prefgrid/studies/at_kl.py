"""Tables of rewards at one or several KLs: the column `kappa_nats` says which."""

import pandas as pd


def rows_at(table: pd.DataFrame, kappa_nats: float) -> pd.DataFrame:
    """Those of a KL that the run compares at."""
    return table[table["kappa_nats"] == kappa_nats]
