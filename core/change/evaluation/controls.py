"""What a score must do if it is one: labels and features in which there is nothing to find."""

import numpy as np

from core.change.learning.arrays import Flags, Floats, Groups


def permuted(truth: Flags, block: Groups, seed: int) -> Flags:
    """Labels with those of one block put into another, in their order.

    Labels keep their share and their neighbours, and have nothing to do with the features.

    Parameters
    ----------
    truth, block
        (pixels,): blocks of different size hand on what does not fit to the next.
    """
    names, place = np.unique(block, return_inverse=True)
    order = np.random.default_rng(seed).permutation(names.size)
    source = np.argsort(place, kind="stable")
    target = np.argsort(order[place], kind="stable")
    out = np.empty_like(truth)
    out[target] = truth[source]
    return out


def block_noise(block: Groups, seed: int) -> Floats:
    """A feature that is one random number per block: of use only to who saw the block's labels."""
    names, place = np.unique(block, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(names.size).astype(np.float32)
    return drawn[place]
