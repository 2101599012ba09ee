"""Latency of exported networks beside the peers' own, in eager torch and exported by torch.onnx.

    pip install segmentation-models-pytorch monai openvino
    python -m benchmarks.exported --threads 2 --rounds 7 [--folder exported]

One picture; forms take turns within one run, and the median counts. Widths are the peers'. Weights are
random: neither they nor what int8 was calibrated on change the time. `benchmarks.quantised` is about what
fewer bits cost.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import torch
from torch import nn

from unetzoo import create_model
from unetzoo.inference.contract import ClassSpec, DataSpec, Normalisation
from unetzoo.inference.network import OnnxNetwork
from unetzoo.inference.openvino_network import OpenVinoNetwork
from unetzoo.inference.quantisation import Quantisation
from unetzoo.onnx_export import export, save_with_contract
from unetzoo.quantisation import quantise

Run = Callable[[np.ndarray], Any]
WIDTHS = [32, 64, 128, 256, 512]
CONV = {"encoder.channels": WIDTHS, "decoder.channels": WIDTHS}


def smp_unet() -> nn.Module:
    """Of segmentation_models.pytorch."""
    import segmentation_models_pytorch as smp

    return smp.Unet("resnet34", encoder_weights=None, classes=2)  # type: ignore[no-any-return]


def smp_unet_plus_plus() -> nn.Module:
    """Of segmentation_models.pytorch."""
    import segmentation_models_pytorch as smp

    return smp.UnetPlusPlus("resnet34", encoder_weights=None, classes=2)  # type: ignore[no-any-return]


def monai_attention_unet() -> nn.Module:
    """Of MONAI, with the widths of our `conv2d` encoder."""
    from monai.networks.nets.attentionunet import AttentionUnet

    return AttentionUnet(2, 3, 2, WIDTHS, [2] * (len(WIDTHS) - 1))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str, dict[str, Any]]] = {
    "unet": (smp_unet, "smp.Unet, resnet34", {"encoder": "resnet34"}),
    "unet_plus_plus": (smp_unet_plus_plus, "smp.UnetPlusPlus, resnet34", {"encoder": "resnet34"}),
    "attention_unet": (
        monai_attention_unet,
        "MONAI AttentionUnet",
        {"encoder": "conv2d", "overrides": CONV},
    ),
}


def forms(name: str, size: int, threads: int, folder: Path, *, half: bool) -> dict[str, Run]:
    """All ways of computing one network, by name; exported files are kept in the folder."""
    make_peer, peer_name, parts = NETWORKS[name]
    peer = make_peer().eval()
    theirs, ours, plain = (folder / f"{name}-{size}{end}.onnx" for end in ("-peer", "", "-plain"))
    if not theirs.is_file():
        with torch.no_grad():
            program = torch.onnx.export(
                peer, (torch.zeros(1, 3, size, size),), dynamo=True, input_names=["image"], verbose=False
            )
        assert program is not None
        program.save(theirs, external_data=False)
    if not ours.is_file():
        export(create_model(name, **parts), ours, data=_data(size), dynamic=True)
        export(create_model(name, **parts), plain, data=_data(size), dynamic=True, for_int8=True)
    int8, rounded = _fewer_bits(ours, plain, size)
    found: dict[str, Run] = {
        f"{peer_name}, eager": lambda x: _eager(peer, x),
        f"{peer_name}, exported, onnxruntime": _session(theirs, threads),
        f"{peer_name}, exported, openvino": _compiled(theirs, threads),
        f"{name}, plain graph, onnxruntime": OnnxNetwork(plain, threads=threads),
        f"{name}, plain graph, openvino": OpenVinoNetwork(plain, threads=threads),
        f"{name}, onnxruntime": OnnxNetwork(ours, threads=threads),
        f"{name}, openvino": OpenVinoNetwork(ours, threads=threads),
        f"{name}, openvino, bf16": OpenVinoNetwork(rounded, threads=threads),
        f"{name}, onnxruntime, int8": OnnxNetwork(int8, threads=threads),
        f"{name}, openvino, int8": OpenVinoNetwork(int8, threads=threads),
    }
    if half:
        found[f"{name}, onnxruntime, fp16"] = _session(_float16(ours), threads)
    return found


def _fewer_bits(ours: Path, plain: Path, size: int) -> tuple[Path, Path]:
    int8, rounded = ours.with_suffix(".int8.onnx"), ours.with_suffix(".bf16.onnx")
    if not rounded.is_file():
        contract, nothing = OnnxNetwork(ours).contract, float("nan")
        x = np.random.default_rng(0).standard_normal((1, 3, size, size), dtype=np.float32)
        quantise(plain, int8, [x])
        for path, source, precision in ((int8, int8, "int8"), (rounded, ours, "bf16")):
            less = Quantisation(precision, nothing, nothing, None, 0)
            save_with_contract(onnx.load(source), path, replace(contract, quantisation=less))
    return int8, rounded


def _float16(ours: Path) -> Path:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    path = ours.with_suffix(".fp16.onnx")
    if not path.is_file():
        proto = convert_float_to_float16(onnx.load(ours), keep_io_types=True)
        # a constant that several nodes want in float32 is cast once for each, under one name
        once = {node.output[0]: node for node in proto.graph.node}
        del proto.graph.node[:]
        proto.graph.node.extend(once.values())
        onnx.save(proto, path)
    return path


def exported_unet(path: Path, size: int, *, opset: int = 18) -> Path:
    """`unet` with a ResNet-34 and random weights."""
    net = create_model("unet", encoder="resnet34", num_classes=2)
    return export(net, path, data=_data(size), dynamic=True, opset=opset)


def _data(size: int) -> DataSpec:
    return DataSpec(
        ndim=2,
        bands=("red", "green", "blue"),
        classes=(ClassSpec("background", (0,), (0, 0, 0)), ClassSpec("object", (1,), (255, 0, 0))),
        normalisation=Normalisation("imagenet"),
        tile=(size, size),
    )


def _eager(net: nn.Module, x: np.ndarray) -> None:
    with torch.inference_mode():
        net(torch.from_numpy(x))


def _session(path: Path, threads: int) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # as the runtime does: threads that wait awake would slow down the row whose turn is next
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(path, options)
    return lambda x: session.run(None, {"image": x})


def _compiled(path: Path, threads: int) -> Run:
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.Core().compile_model(path, "CPU", options)
    return lambda x: compiled([x])[0]


def main() -> None:
    """Export what is missing, time all forms in turn, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=[*NETWORKS], metavar="NETWORK")
    parser.add_argument("--size", type=int, default=512, help="pixels per side")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--fp16", action="store_true", help="also in half precision in ONNX Runtime")
    parser.add_argument(
        "--folder", type=Path, help="keep the exported files here, and take those that are there"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((args.batch, 3, args.size, args.size), dtype=np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        runs = {name: forms(name, args.size, args.threads, folder, half=args.fp16) for name in args.networks}
        if args.rounds < 1:
            return
        seconds: dict[str, list[float]] = {form: [] for known in runs.values() for form in known}
        for _ in range(1 + args.rounds):
            for known in runs.values():
                for form, run in known.items():
                    sleep(0.1)  # a back end's threads go on waiting for work, at the cost of the next
                    begun = perf_counter()
                    run(x)
                    seconds[form].append(perf_counter() - begun)
    print(
        f"{args.batch} x 3 x {args.size} x {args.size}, {args.threads} threads, median of {args.rounds} "
        f"interleaved rounds (torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, openvino "
        f"{openvino.__version__.split('-')[0]})\n"
    )
    print("| network | ms | from - to | faster than the peer in eager | than its export in onnxruntime |")
    print("|---|---:|---:|---:|---:|")
    for known in runs.values():
        times = {form: sorted(seconds[form][1:]) for form in known}
        eager, exported = (median(t) for t in [*times.values()][:2])
        for form, t in times.items():
            ms = median(t)
            print(
                f"| {form} | {1e3 * ms:.0f} | {1e3 * t[0]:.0f} - {1e3 * t[-1]:.0f} | {eager / ms:.2f} "
                f"| {exported / ms:.2f} |"
            )


if __name__ == "__main__":
    main()
