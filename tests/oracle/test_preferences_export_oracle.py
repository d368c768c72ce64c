"""The chosen/rejected export, read by TRL's own trainer."""

from prefgrid.data import preferences


def test_the_export_trains_in_trl(tiny_qwen3, tiny_tokenizer, tmp_path):
    """Each batch row is prompt + response + end token; chosen rows come first."""
    from datasets import load_dataset
    from trl import DPOConfig, DPOTrainer
    from trl.data_utils import is_conversational

    from prefgrid.files import store

    labelled = [
        {"prompt": "a cat", "response_0": " sat", "response_1": " slept a lot", "z": 1},
        {"prompt": "two", "response_0": " words", "response_1": "", "z": 0},
    ]
    store.write_jsonl(tmp_path / "pairs.jsonl", preferences.to_chosen_rejected(labelled))
    pairs = load_dataset(
        "json", data_files=str(tmp_path / "pairs.jsonl"), split="train", cache_dir=str(tmp_path)
    )
    assert not is_conversational(pairs[0])
    trainer = DPOTrainer(
        model=tiny_qwen3(1),
        ref_model=tiny_qwen3(2),
        args=DPOConfig(
            output_dir=str(tmp_path / "run"),
            per_device_eval_batch_size=2,
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            report_to="none",
        ),
        train_dataset=pairs,
        eval_dataset=pairs,
        processing_class=tiny_tokenizer,
    )
    (batch,) = trainer.get_eval_dataloader()
    texts = [
        tiny_tokenizer.decode(ids[attended.bool()])
        for ids, attended in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    end = tiny_tokenizer.eos_token
    assert texts == [
        *(f"a cat slept a lot{end}", f"two words{end}"),
        *(f"a cat sat{end}", f"two{end}"),
    ]
