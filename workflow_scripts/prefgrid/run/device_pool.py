"""Which devices a job may choose from, and under which name each is locked.

CUDA_VISIBLE_DEVICES, if set, is the pool; else the node's devices are. A device is locked by its
UUID where that is known, so that everybody who means the same device says so. Inside an allocation
of a scheduler that hands out devices the lock's name carries the allocation: there a number means
something else in each (two Slurm jobs on one node may both call their device 0), and a scheduler
that gives one device to two allocations means it.

Numbers are nvidia-smi's: jobs get CUDA_DEVICE_ORDER=PCI_BUS_ID. Standard library only.
"""

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

VISIBLE = "CUDA_VISIBLE_DEVICES"
# Where the driver lists its devices.
DRIVER = Path("/proc/driver/nvidia")
# The job's name where a scheduler sets CUDA_VISIBLE_DEVICES: Slurm, PBS, LSF, Flux, OAR.
JOB_VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID", "OAR_JOB_ID")
# Set in every container of a Kubernetes pod; a pod sees only the devices it was given.
POD_VARIABLE = "KUBERNETES_SERVICE_HOST"
# CUDA takes these, and ignores everything from the first other word on.
DEVICE_NAME = re.compile(r"\d+|(GPU|MIG)-\S+")

# The node's devices in nvidia-smi's order; of a device cut into MIG instances, these.
Installed = list[tuple[str, ...]]


class Device(NamedTuple):
    """name: as CUDA_VISIBLE_DEVICES takes it: a number, a UUID, a MIG id. key: its lock's name."""

    name: str
    key: str


def pool(environment: Mapping[str, str], installed: Callable[[], Installed]) -> tuple[Device, ...]:
    """The devices that a job with this environment may use, without duplicates."""
    prefix = _allocation(environment)
    parts = installed()
    if VISIBLE not in environment:
        return tuple(Device(name, prefix + name) for device in parts for name in device)
    devices: dict[str, Device] = {}
    for word in environment[VISIBLE].split(","):
        name = word.strip()
        if not DEVICE_NAME.fullmatch(name):
            break
        key = prefix + (name if prefix else _full_name(name, parts))
        devices.setdefault(key, Device(name, key))
    return tuple(devices.values())


def installed() -> Installed:
    """The node's devices, from the driver; from nvidia-smi where that says too little."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(DRIVER.glob("gpus/*/information"))]
    uuids = [re.search(r"^GPU UUID:\s*(GPU-[0-9a-f-]+)\s*$", text, re.M) for text in texts]
    split = any(DRIVER.glob("capabilities/gpu*/mig/gi*"))
    if texts and all(uuids) and not split:
        return [(match[1],) for match in uuids]
    # An idle device without persistence shows question marks for a UUID.
    return listed(_nvidia_smi()) or [(str(number),) for number in range(len(texts))]


def listed(text: str) -> Installed:
    """The devices that `nvidia-smi -L` prints."""
    devices: Installed = []
    for line in text.splitlines():
        if match := re.match(r"GPU \d+:.*\(UUID: (GPU-\S+)\)", line):
            devices.append((match[1],))
        elif (match := re.match(r"\s+MIG .*\(UUID: (MIG-\S+)\)", line)) and devices:
            whole = devices[-1][0].startswith("GPU-")
            devices[-1] = (match[1],) if whole else (*devices[-1], match[1])
    return devices


def _nvidia_smi() -> str:
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, encoding="utf-8", timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _full_name(name: str, parts: Installed) -> str:
    """The UUID behind a number or an abbreviated UUID, if it is known."""
    if name.isdigit():
        # Of a device cut into MIG instances, CUDA takes the first.
        return parts[int(name)][0] if int(name) < len(parts) else name
    found = [full for device in parts for full in device if full.startswith(name)]
    return found[0] if len(found) == 1 else name


def _allocation(environment: Mapping[str, str]) -> str:
    """What tells this allocation's devices from others', or nothing outside of one."""
    if environment.get(POD_VARIABLE):
        return f"pod={os.uname().nodename}/"
    for variable in JOB_VARIABLES:
        # Without CUDA_VISIBLE_DEVICES the scheduler has not handed out any device.
        if environment.get(variable) and VISIBLE in environment:
            return f"{variable}={environment[variable]}/"
    return ""
