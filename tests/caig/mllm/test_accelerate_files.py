"""The launch files in configs/accelerate, as accelerate itself reads them."""

import os
from pathlib import Path

import pytest
from accelerate import FullyShardedDataParallelPlugin
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env

FOLDER = Path(__file__).parents[3] / "configs" / "accelerate"


def launched(name):
    """What ``accelerate launch`` makes of a file before it starts anything."""
    words = ["--config_file", str(FOLDER / name), "--module", "caig", "pretrain"]
    arguments, *_ = _validate_launch_command(launch_command_parser().parse_args(words))
    return arguments


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.name)
def test_accelerate_reads_every_file(file):
    read = load_config_from_file(str(file))
    assert read.num_processes == 8
    assert read.mixed_precision == "bf16"
    assert "caig pretrain" in file.read_text()


def test_fsdp2_shards_everything_and_writes_one_checkpoint(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    arguments = launched("fsdp2-7b.yaml")
    assert arguments.use_fsdp
    os.environ.update(prepare_multi_gpu_env(arguments))
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert plugin.auto_wrap_policy.__name__ == "transformer_auto_wrap_policy"
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"
    assert not plugin.activation_checkpointing


def test_zero_stage_3_keeps_everything_on_the_gpus():
    arguments = launched("zero3-7b.yaml")
    assert arguments.use_deepspeed
    assert int(arguments.zero_stage) == 3
    assert arguments.offload_optimizer_device == arguments.offload_param_device == "none"
    assert str(arguments.zero3_save_16bit_model).lower() == "true"
