"""A teacher is trained, then frozen; a student learns from it and from the labels."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
x, y = torch.randn(80, 6), torch.randint(0, 3, (80,))


class Teacher(nn.Sequential):
    pass


class Student(nn.Sequential):
    pass


teacher = Teacher(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
student = Student(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))

teacher_losses = []
optimizer = torch.optim.Adam(teacher.parameters(), lr=1e-2)
for _ in range(20):
    loss = F.cross_entropy(teacher(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    teacher_losses.append(loss.item())

teacher.eval().requires_grad_(False)
student_losses = []
optimizer = torch.optim.Adam(student.parameters(), lr=1e-2)
for _ in range(20):
    with torch.no_grad():
        soft = F.softmax(teacher(x) / 4, dim=1)
    logits = student(x)
    hard_loss = F.cross_entropy(logits, y)
    soft_loss = F.kl_div(F.log_softmax(logits / 4, dim=1), soft, reduction="batchmean") * 16
    loss = 0.3 * hard_loss + 0.7 * soft_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    student_losses.append(loss.item())

EXPECTED = [
    {"model": "Teacher", "series": {"train/loss": teacher_losses}},
    {"model": "Student", "series": {"train/loss": student_losses}},
]
