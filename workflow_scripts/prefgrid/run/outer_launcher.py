"""Variables of a launcher that Snakemake itself was started under: torchrun, accelerate, MPI.

They number the processes of somebody else's group. A job that took them for its own would wait for
the others of that group, or believe that another process writes its files. Only what our own
launcher sets counts, which starts after these are gone. Standard library only.
"""

from collections.abc import Mapping

INERT = True

PREFIXES = (
    "TORCHELASTIC_",
    # Defaults of torchrun's own options.
    "PET_",
    # What accelerate's launcher hands down: how to compute, beside who is who.
    "ACCELERATE_",
    "FSDP_",
    "PARALLELISM_CONFIG_",
    "MEGATRON_LM_",
    "OMPI_COMM_WORLD_",
    "MV2_COMM_WORLD_",
    "PMI_",
)
NAMES = (
    "RANK",
    "LOCAL_RANK",
    "GROUP_RANK",
    "ROLE_RANK",
    "NODE_RANK",
    "ROLE_NAME",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "GROUP_WORLD_SIZE",
    "ROLE_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "FORK_LAUNCHED",
)


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without an outer launcher's variables."""
    return {
        name: value
        for name, value in environment.items()
        if name not in NAMES and not name.startswith(PREFIXES)
    }
