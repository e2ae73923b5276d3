"""A Lightning module reads digits; the best of its checkpoints is tested."""

import logging
import warnings

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset, random_split

for name in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(name).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning")  # that eight batches need no worker processes


class Digits(pl.LightningModule):
    def __init__(self, hidden=32, lr=3e-3):
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Sequential(torch.nn.Linear(64, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10))

    def loss(self, batch, name):
        images, digits = batch
        scores = self.net(images)
        loss = cross_entropy(scores, digits)
        self.log(f"{name}/loss", loss)
        self.log(f"{name}/accuracy", (scores.argmax(1) == digits).float().mean())
        return loss

    def training_step(self, batch, index):
        return self.loss(batch, "train")

    def validation_step(self, batch, index):
        self.loss(batch, "val")

    def test_step(self, batch, index):
        self.loss(batch, "test")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


pl.seed_everything(0)
images, digits = load_digits(return_X_y=True)
data = TensorDataset(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(digits))
train, val, test = random_split(data, [1200, 300, 297])

trainer = pl.Trainer(
    max_epochs=12,
    accelerator="cpu",
    gradient_clip_val=1.0,
    log_every_n_steps=5,
    logger=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    callbacks=[ModelCheckpoint("checkpoints", monitor="val/loss"), EarlyStopping("val/loss", patience=2)],
)
model = Digits()
trainer.fit(model, DataLoader(train, batch_size=64, shuffle=True), DataLoader(val, batch_size=300))
(tested,) = trainer.test(model, DataLoader(test, batch_size=297), ckpt_path="best", verbose=False)
print(f"accuracy on held-out digits: {tested['test/accuracy']:.3f}")
