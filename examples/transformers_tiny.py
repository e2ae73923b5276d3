"""A tiny language model, random at first, learns to count. Nothing is downloaded."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

torch.manual_seed(0)
config = GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=20, n_positions=12, bos_token_id=0, eos_token_id=0, loss_type="ForCausalLM")
model = GPT2LMHeadModel(config)

counting = [(start + torch.arange(10)) % 20 for start in range(20)]
rows = [{"input_ids": row, "labels": row, "attention_mask": torch.ones_like(row)} for row in counting]

arguments = TrainingArguments(
    output_dir="transformers_tiny",
    num_train_epochs=30,
    per_device_train_batch_size=5,
    learning_rate=1e-2,
    lr_scheduler_type="cosine",
    logging_steps=10,
    eval_strategy="steps",
    eval_steps=30,
    save_strategy="steps",
    save_steps=60,
    report_to="none",
    use_cpu=True,
    disable_tqdm=True,
)
trainer = Trainer(model, arguments, train_dataset=rows[:16], eval_dataset=rows[16:])
trainer.train()

prompt = torch.tensor([[3, 4, 5, 6]])
print("3 4 5 6, and then:", *model(prompt).logits[0, -1:].argmax(-1).tolist())
