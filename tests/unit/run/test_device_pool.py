"""Which devices a job may choose from, and that all who mean one device name its lock alike."""

from pathlib import Path

import pytest

from prefgrid.run import device_pool
from prefgrid.run.device_pool import Device, listed, pool

UUIDS = [f"GPU-{digit * 8}-0000-0000-0000-000000000000" for digit in "abc"]
NODE = [(uuid,) for uuid in UUIDS]
MIG = [("MIG-1", "MIG-2"), (UUIDS[1],)]


def names(environment: dict[str, str], installed: device_pool.Installed) -> list[str]:
    return [device.name for device in pool(environment, lambda: installed)]


def keys(environment: dict[str, str], installed: device_pool.Installed) -> list[str]:
    return [device.key for device in pool(environment, lambda: installed)]


class TestPool:
    def test_without_the_variable_the_nodes_devices_by_uuid(self):
        assert pool({}, lambda: NODE) == tuple(Device(uuid, uuid) for uuid in UUIDS)
        assert names({}, MIG) == ["MIG-1", "MIG-2", UUIDS[1]]
        assert names({}, []) == []

    @pytest.mark.parametrize(
        ("visible", "expected"),
        [
            ("0", ["0"]),
            ("2, 0", ["2", "0"]),
            ("", []),
            ("-1", []),
            ("NoDevFiles", []),
            ("1,-1,0", ["1"]),  # CUDA stops at the first that is none
            ("1,1,2", ["1", "2"]),
            ("GPU-aa,MIG-7/1/0", ["GPU-aa", "MIG-7/1/0"]),
        ],
    )
    def test_the_variable_is_the_pool_in_its_own_form(self, visible, expected):
        assert names({"CUDA_VISIBLE_DEVICES": visible}, []) == expected

    @pytest.mark.parametrize("name", ["1", "GPU-bbbb", UUIDS[1]])
    def test_number_short_and_full_uuid_are_one_lock(self, name):
        assert keys({"CUDA_VISIBLE_DEVICES": name}, NODE) == [UUIDS[1]]

    def test_a_device_named_twice_is_one(self):
        assert names({"CUDA_VISIBLE_DEVICES": f"1,{UUIDS[1]}"}, NODE) == ["1"]

    def test_an_ambiguous_or_unknown_name_stands_for_itself(self):
        twins = [("GPU-ab",), ("GPU-ac",)]
        assert keys({"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-f,7"}, twins) == ["GPU-a", "GPU-f", "7"]

    def test_of_a_divided_device_the_number_means_the_first_part(self):
        assert keys({"CUDA_VISIBLE_DEVICES": "0"}, MIG) == ["MIG-1"]


class TestAllocations:
    def test_two_slurm_jobs_on_a_node_may_both_have_a_device_0(self):
        jobs = [{"SLURM_JOB_ID": job, "CUDA_VISIBLE_DEVICES": "0,1"} for job in ("17", "18")]
        first, second = (keys(job, NODE) for job in jobs)
        assert not set(first) & set(second)
        assert names(jobs[0], NODE) == ["0", "1"]

    def test_the_steps_of_one_allocation_share_its_locks(self):
        job = {"SLURM_JOB_ID": "17", "CUDA_VISIBLE_DEVICES": "0,1"}
        assert keys(job | {"SLURM_STEP_ID": "4"}, NODE) == keys(job, NODE)

    def test_a_slurm_that_hands_out_no_devices_leaves_the_nodes(self):
        assert keys({"SLURM_JOB_ID": "17"}, NODE) == UUIDS

    @pytest.mark.parametrize("variable", device_pool.JOB_VARIABLES)
    def test_other_schedulers(self, variable):
        first, second = (
            keys({variable: job, "CUDA_VISIBLE_DEVICES": "0"}, NODE) for job in ("1.head", "2.head")
        )
        assert first != second

    def test_a_pod_has_locks_of_its_own(self):
        found = keys({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, NODE)
        assert not set(found) & set(UUIDS)
        assert names({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, NODE) == UUIDS


LISTING = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-11111111-2222-3333-4444-555555555555)
  MIG 3g.20gb     Device  0: (UUID: MIG-aaaa)
  MIG 3g.20gb     Device  1: (UUID: MIG-bbbb)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-66666666-2222-3333-4444-555555555555)
"""


class TestInstalled:
    def test_nvidia_smi_listing(self):
        whole = "GPU-66666666-2222-3333-4444-555555555555"
        assert listed(LISTING) == [("MIG-aaaa", "MIG-bbbb"), (whole,)]
        assert listed("No devices were found\n") == []

    @pytest.fixture
    def driver(self, tmp_path, monkeypatch) -> Path:
        monkeypatch.setattr(device_pool, "DRIVER", tmp_path)
        monkeypatch.setattr(device_pool, "_nvidia_smi", lambda: "")
        return tmp_path

    def give(self, driver: Path, bus: str, uuid: str) -> None:
        folder = driver / "gpus" / bus
        folder.mkdir(parents=True)
        (folder / "information").write_text(
            f"Model: \t\t NVIDIA H200\nIRQ:   \t\t 18\nGPU UUID: \t {uuid}\n"
            f"Bus Type: \t PCIe\nBus Location: \t {bus}\nDevice Minor: \t 3\n"
        )

    def test_the_driver_lists_them_by_their_place_on_the_bus(self, driver):
        self.give(driver, "0000:81:00.0", UUIDS[0])
        self.give(driver, "0000:05:00.0", UUIDS[1])
        assert device_pool.installed() == [(UUIDS[1],), (UUIDS[0],)]

    def test_no_driver_no_device(self, driver):
        assert device_pool.installed() == []

    def test_a_sleeping_device_hides_its_uuid(self, driver, monkeypatch):
        self.give(driver, "0000:05:00.0", "GPU-????????-????-????-????-????????????")
        assert device_pool.installed() == [("0",)]
        monkeypatch.setattr(device_pool, "_nvidia_smi", lambda: LISTING)
        assert device_pool.installed() == listed(LISTING)

    def test_a_divided_device_is_listed_by_nvidia_smi(self, driver, monkeypatch):
        self.give(driver, "0000:05:00.0", UUIDS[0])
        (driver / "capabilities/gpu0/mig/gi1").mkdir(parents=True)
        monkeypatch.setattr(device_pool, "_nvidia_smi", lambda: LISTING)
        assert device_pool.installed() == listed(LISTING)
