"""W-Net against k-means on intensity: segments without labels, on axons in electron microscopy.

    python -m benchmarks.unsupervised --data <folder with the sets> --seeds 0 1 2

Both see the training images without their labels and make as many segments as there are classes. Then both
are given names in the same way: the one-to-one matching of segments with classes that has the largest sum of
Dice on the training labels (`match_segments`). Settings are compared on the training images, which no network
has seen the labels of (``--split train``); test labels are used for the scores alone. Scores are
means over cases of the mean Dice over all classes, background included, and of the accuracy. Both are also
scored after the same conditional random field (`mean_field`); k-means, which gives no probabilities, enters
it with 0.9 for its label.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from scipy.cluster.vq import kmeans2

from unetzoo import load
from unetzoo.crf import mean_field
from unetzoo.datasets.case import Sample
from unetzoo.inference.contract import IGNORE
from unetzoo.inference.tiling import predict_tiled
from unetzoo.metrics import count, match_segments, overlap
from unetzoo.training import train

Method = Callable[[np.ndarray], np.ndarray]
"""A normalised image (1, *size) to probabilities of the segments (K, *size)."""


def main() -> None:
    """Train, match, score, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder with axon_sem in it")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--split", choices=["train", "val", "test"], default="test")
    parser.add_argument("--epochs", type=int, default=2, help="of 100 steps of 4 patches of 96 x 96 px")
    parser.add_argument("--crop", type=int, help="judge by the middle of the images alone, px")
    parser.add_argument("overrides", nargs="*", help="of the experiment, as for unetzoo train")
    args = parser.parse_args()
    torch.set_num_threads(1)

    scores: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    started = perf_counter()
    for seed in args.seeds:
        for key, found in compared(args, seed).items():
            scores.setdefault(key, []).append(found)
    where = (
        f"the middle {args.crop} px of each {args.split} image" if args.crop else f"whole {args.split} images"
    )
    minutes = (perf_counter() - started) / 60 / len(args.seeds)
    steps = (
        f"{100 * args.epochs} steps of 4 patches, {minutes:.1f} min a seed on one thread, matching included"
    )
    print(f"\nseeds {args.seeds}, {steps}; {where}; {' '.join(args.overrides) or 'the recipe as it is'}\n")
    print("| method | CRF | mean Dice | accuracy | mean Dice per seed |\n|---|---|---:|---:|---|")
    for (name, crf), pairs in scores.items():
        dice, accuracy = np.mean(pairs, 0)
        each = ", ".join(f"{pair[0]:.4f}" for pair in pairs)
        print(f"| {name} | {'yes' if crf else 'no'} | {dice:.4f} | {accuracy:.4f} | {each} |")


def compared(args: argparse.Namespace, seed: int) -> dict[tuple[str, bool], tuple[float, float]]:
    """Train, match and score with one seed: mean Dice and accuracy by method, without and with the CRF."""
    with (
        initialize_config_module("unetzoo.configs", version_base="1.3"),
        tempfile.TemporaryDirectory() as run,
    ):
        cfg = compose(
            "train",
            [
                "experiment=axon_sem_w_net",
                f"paths.data={args.data}",
                f"seed={seed}",
                f"run_dir={run}",
                f"trainer.max_epochs={args.epochs}",
                "trainer.accelerator=cpu",
                "trainer.precision=32-true",
                "logger=none",
                *args.overrides,
            ],
        )
        model = load(train(cfg) / "checkpoints" / "best.ckpt").eval()
    data = instantiate(cfg.data)
    training, judged = (
        [cropped(data.read(case), args.crop) for case in data.cases(split)] for split in ("train", args.split)
    )
    classes = len(data.spec.classes)

    def w_net(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits = predict_tiled(
                lambda tiles: model(torch.from_numpy(tiles)).numpy(), x, tile=(256, 256), batch_size=1
            )
        return torch.from_numpy(logits).softmax(0).numpy()

    scores = {}
    for name, method in (("k-means", k_means(training, classes, seed)), ("W-Net", w_net)):
        names = match_segments(np.sum([pixels(method(x), mask, classes) for x, mask in training], 0))
        for crf in (False, True):
            scores[name, crf] = score(method, judged, names, classes, crf=crf)
    return scores


def cropped(sample: Sample, size: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The middle of a case's image and mask."""
    if size is None:
        return sample.x, sample.mask
    starts = [max(0, (s - size) // 2) for s in sample.mask.shape]
    place = tuple(slice(start, start + size) for start in starts)
    return sample.x[(slice(None), *place)], sample.mask[place]


def k_means(images: Sequence[tuple[np.ndarray, np.ndarray]], segments: int, seed: int) -> Method:
    """Clusters of the training intensities."""
    generator = np.random.default_rng(seed)
    values = np.concatenate([generator.choice(x.ravel(), 20_000) for x, _ in images]).astype(np.float64)
    centres, _ = kmeans2(values[:, None], segments, minit="++", rng=generator)

    def method(x: np.ndarray) -> np.ndarray:
        nearest = np.abs(x - centres[:, :1, None]).argmin(0)
        rest = 0.1 / (segments - 1)
        labels = np.arange(segments)[:, None, None] == nearest
        return np.where(labels, 0.9, rest).astype(np.float32)

    return method


def pixels(probabilities: np.ndarray, mask: np.ndarray, classes: int) -> np.ndarray:
    """Pixels of each segment in each class."""
    known = mask != IGNORE
    segments = len(probabilities)
    pairs = probabilities.argmax(0)[known] * classes + mask[known]
    return np.bincount(pairs, minlength=segments * classes).reshape(segments, classes)


def score(
    method: Method,
    cases: Sequence[tuple[np.ndarray, np.ndarray]],
    names: np.ndarray,
    classes: int,
    *,
    crf: bool,
) -> tuple[float, float]:
    """Mean over the cases of the mean Dice over classes, and of the accuracy."""
    dice, accuracy = [], []
    for x, mask in cases:
        p = torch.from_numpy(method(x))
        if crf:
            p = mean_field(p[None], torch.from_numpy(x)[None])[0]
        found = names[p.numpy().argmax(0)].astype(np.uint8)
        dice.append(np.nanmean(overlap(count(found, mask, classes)).dice))
        accuracy.append((found == mask)[mask != IGNORE].mean())
    return float(np.mean(dice)), float(np.mean(accuracy))


if __name__ == "__main__":
    main()
