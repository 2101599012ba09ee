"""Networks of MONAI, in 2D and 3D.

Its weights do not tell every option. Taken for granted are strides of 2 of ``AttentionUnet``, and of
``BasicUNetPlusPlus`` the defaults: ``LeakyReLU(0.1)``, and instance norm unless there are running statistics.
"""

from typing import Any

from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from unetzoo.convert.recipe import Options, Recipe, Weights, in_order

__all__ = ["PEERS"]

_EPS = 1e-5  # of MONAI's batch norms


def _attention_options(weights: Weights) -> Options:
    rows = _rows(weights)
    channels = [len(weights["model.0.conv.1.conv.weight"])]
    channels += [len(weights[f"{_block(row, rows)}conv.1.conv.weight"]) for row in range(1, rows + 1)]
    unit = {"norm": "batch", "activation": "relu", "bias": True}
    return {
        "encoder.channels": channels,
        "encoder.convs": 1,
        "encoder.blocks": [2] + [1] * rows,  # the first convolution of the other rows is what leads there
        "encoder.down": {"_target_": "unetzoo.encoders.unit_down", "_partial_": True, **unit},
        **{f"encoder.{key}": value for key, value in unit.items()},
        "skip.upsampled": True,
        "decoder.channels": None,
        "decoder.up": {
            "_target_": "unetzoo.decoders.normed_up",
            "_partial_": True,
            "size": weights["model.1.upconv.up.conv.weight"].shape[-1],
        },
        "decoder.convs": 1,
        "decoder.norm": "plain_instance",
        "decoder.activation": "prelu",
        "decoder.bias": True,
        "head.kernel_size": 1,
    }


def _attention(theirs: Weights, ours: Any) -> dict[str, Tensor]:
    """A gate's norms are folded into its convolutions."""
    rows = _rows(theirs)
    named = in_order(theirs, "model.0.", ours, "encoder.stages.0.") | in_order(
        theirs, "model.2.", ours, "heads."
    )
    for row in range(rows):
        layer, block, gate = _layer(row), _block(row + 1, rows), f"skip.merges.{row}."
        named |= in_order(theirs, f"{block}conv.0.", ours, f"encoder.pools.{row}.")
        named |= in_order(theirs, f"{block}conv.1.", ours, f"encoder.stages.{row + 1}.")
        named |= in_order(theirs, f"{layer}upconv.", ours, f"decoder.ups.{row}.")
        named |= in_order(theirs, f"{layer}merge.", ours, f"decoder.blocks.{row}.")
        theta, phi, psi = (_folded(theirs, f"{layer}attention.{part}.") for part in ("W_x", "W_g", "psi"))
        named |= {
            f"{gate}theta.weight": theta[0],
            f"{gate}phi.weight": phi[0],
            f"{gate}phi.bias": phi[1] + theta[1],
        }
        named |= {f"{gate}psi.weight": psi[0], f"{gate}psi.bias": psi[1]}
    return named


def _folded(weights: Weights, prefix: str) -> tuple[Tensor, Tensor]:
    """Weights and bias of a convolution that is also the norm after it."""
    scale, shift, mean, variance = (
        weights[f"{prefix}1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
    )
    convolution = weights[f"{prefix}0.conv.weight"], weights[f"{prefix}0.conv.bias"]
    return fuse_conv_bn_weights(*convolution, mean, variance, _EPS, scale, shift)


def _rows(weights: Weights) -> int:
    """Rows with a skip."""
    return sum(key.endswith("merge.conv.weight") for key in weights)


def _layer(row: int) -> str:
    """What they call a row: each lies within the one above."""
    return "model.1." + "submodule.1." * row


def _block(row: int, rows: int) -> str:
    """The convolutions that lead to a row; below the last there is nothing beside them."""
    return _layer(row - 1) + ("submodule." if row == rows else "submodule.0.")


_NODES = 4  # that a row has at most: the design is always five rows deep


def _nested_options(weights: Weights) -> Options:
    rows = range(_NODES)
    channels = [
        len(weights[f"conv_{row}_0.{'convs.' if row else ''}conv_1.conv.weight"]) for row in range(_NODES + 1)
    ]
    brought = [weights[f"upcat_{row}_1.upsample.deconv.weight"].shape[1] for row in rows]
    unit = {
        "norm": "batch" if any(key.endswith("running_mean") for key in weights) else "instance",
        "activation": ["leaky_relu", {"negative_slope": 0.1}],
        "bias": "conv_0_0.conv_0.conv.bias" in weights,
    }
    up = {"_target_": "unetzoo.decoders.transposed_up", "_partial_": True, "widths": brought}
    return {
        "encoder.channels": channels,
        "decoder.channels": [len(weights["upcat_0_4.convs.conv_1.conv.weight"]), *channels[1:_NODES]],
        **{f"{part}.{key}": value for part in ("encoder", "skip", "decoder") for key, value in unit.items()},
        "skip.up": up,
        "decoder.up": up,
        "head.kernel_size": 1,
    }


def _nested(theirs: Weights, ours: Any) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for row in range(_NODES + 1):
        named |= in_order(theirs, f"conv_{row}_0.", ours, f"encoder.stages.{row}.")
        for node in range(1, _NODES + 1 - row):
            end = row + node == _NODES
            part, name = ("decoder", f"{row}") if end else ("skip", f"{row}_{node}")
            places = (f"{part}.ups.{name}.", f"{part}.blocks.{name}.")
            for theirs_of, place in zip(("upsample.", "convs."), places, strict=True):
                named |= in_order(theirs, f"upcat_{row}_{node}.{theirs_of}", ours, place)
    for node in range(1, _NODES + 1):
        named |= in_order(theirs, f"final_conv_0_{node}.", ours, f"heads.{node % _NODES}.")
    return named


PEERS = {
    "monai.AttentionUnet": Recipe(
        "attention_unet",
        first="model.0.",
        last="model.2.conv.weight",
        options=_attention_options,
        named=_attention,
        native=True,
    ),
    "monai.BasicUNetPlusPlus": Recipe(
        "unet_plus_plus",
        first="conv_0_0.",
        last="final_conv_0_4.weight",
        options=_nested_options,
        named=_nested,
        native=True,
    ),
}
"""By the peer's name."""
