"""A framework of a few lines: gradient descent on y = a x, with callbacks."""

from toylearn.model import Line
from toylearn.training import train

__all__ = ["Line", "train"]
__version__ = "1.4.2"
