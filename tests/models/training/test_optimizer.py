"""Adam takes the steps that PyTorch's AdamW takes, and remembers an average of the weights."""

import keras
import numpy as np
import pytest
import torch

from models.training.config import Stage, TrainingConfig
from models.training.optimizer import Adam
from models.training.schedule import StageSchedule

STAGE = Stage("all", steps=12, learning_rate=3e-2, schedule="one_cycle", warm_up=0.25)
STARTS = (np.linspace(-1, 2, 12).reshape(3, 4), np.linspace(0.5, -0.3, 4))


def gradients(step: int) -> list[np.ndarray]:
    numbers = np.random.default_rng(step)
    return [numbers.normal(0, 10.0 ** (step % 3 - 1), start.shape) for start in STARTS]


def trained(config: TrainingConfig, steps: int):
    """The optimizer after some steps, and the variables after each of them."""
    variables = [keras.Variable(start, dtype="float32") for start in STARTS]
    adam = Adam(STAGE, config)
    adam.build(variables)
    seen = []
    for step in range(steps):
        adam.apply([keras.ops.convert_to_tensor(g, "float32") for g in gradients(step)], variables)
        seen.append([variable.numpy() for variable in variables])
    return adam, seen


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_it_steps_as_adamw_of_pytorch_does(weight_decay):
    tensors = [torch.tensor(start, dtype=torch.float32, requires_grad=True) for start in STARTS]
    peer = torch.optim.AdamW(tensors, betas=(0.9, 0.98), eps=1e-8, weight_decay=weight_decay)
    _, seen = trained(TrainingConfig(weight_decay=weight_decay), STAGE.steps)
    for step, ours in enumerate(seen):
        peer.param_groups[0]["lr"] = float(StageSchedule(STAGE)(step))
        for tensor, gradient in zip(tensors, gradients(step), strict=True):
            tensor.grad = torch.tensor(gradient, dtype=torch.float32)
        peer.step()
        for tensor, variable in zip(tensors, ours, strict=True):
            np.testing.assert_allclose(variable, tensor.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_the_average_is_that_of_the_weights_after_each_step():
    momentum = 0.7
    adam, seen = trained(TrainingConfig(average_momentum=momentum), 6)
    for index, average in enumerate(adam.averages):
        expected = seen[0][index].astype(np.float64)
        for weights in seen[1:]:
            expected = momentum * expected + (1 - momentum) * weights[index]
        np.testing.assert_allclose(average.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_an_average_changes_no_step():
    with_average = trained(TrainingConfig(average_momentum=0.9), 4)[1]
    without = trained(TrainingConfig(), 4)[1]
    for one, other in zip(with_average[-1], without[-1], strict=True):
        np.testing.assert_array_equal(one, other)
