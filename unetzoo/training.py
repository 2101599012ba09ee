"""From a composed config to a trained network in a run's folder."""

import json
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, Trainer, seed_everything
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf

from unetzoo.allocation import keep_freed_memory
from unetzoo.callbacks import EpochTable, SeedEachStep
from unetzoo.checkpoints import AtomicCheckpointIO, RunCheckpoint, atomic
from unetzoo.datasets import SegmentationData
from unetzoo.datasets.sampling import DrawSampler
from unetzoo.inference.contract import DataSpec, ImageTarget
from unetzoo.monitor import refuse_test_monitor
from unetzoo.network import SegmentationNetwork
from unetzoo.resume import Start, leaves, start_of
from unetzoo.task import Task
from unetzoo.transfer import start_from
from unetzoo.zoo import build as build_model

__all__ = ["train"]


def train(cfg: DictConfig) -> Path:
    """Train what the config says, or go on where the same command was stopped.

    Writes ``config.yaml``, ``checkpoints/{best,last}.ckpt``, ``metrics.csv`` and the loggers' files into
    ``cfg.run_dir``. A run that was killed continues after its last whole epoch and ends with the weights it
    would have had; a finished one is left alone.

    Args:
        cfg: The composed ``train.yaml``: data, model, loss, task, optimizer, scheduler, trainer, callbacks,
            logger, seed and run_dir. ``model.in_channels`` and ``model.num_classes`` are filled from the data
            where null.

    Returns:
        The run's folder.

    Raises:
        ValueError: If parts do not go together, data is broken, the folder belongs to another config, or the
            loss is no longer a number.
        KeyboardInterrupt: After Ctrl-C; the run can be continued.
    """
    run_dir = Path(cfg.run_dir)
    refuse_test_monitor(leaves(cfg))
    # deterministic mode would write NaN into all memory it takes: slower, and only of use to find bugs
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    keep_freed_memory()
    with _quiet():
        seed_everything(cfg.seed, workers=True, verbose=False)
        data: SegmentationData = _build(cfg, "data")
        data.prepare_data()
        spec: DataSpec = data.spec
        cfg = _filled(cfg, spec)
        start = start_of(run_dir, cfg)
        if start.finished:
            _say(f"{run_dir}: finished, {start.epochs} epochs; choose another run_id=... to train again")
            return run_dir
        if start.checkpoint is None:
            _check_files(data)
        # whatever the data drew, the weights start the same
        seed_everything(cfg.seed, workers=True, verbose=False)
        model = build_model(cfg.model)
        _match(model, spec)
        _initialise(model, cfg, start)
        config = OmegaConf.to_yaml(cfg, resolve=True)
        task = _task(cfg, model, spec)
        trainer = _trainer(cfg, run_dir, config, spec, start, task)
        _require_cases(data, trainer.world_size)
        _introduce(run_dir, model, data, start, trainer)
        _fit(trainer, task, _RunData(data, start.epochs), start, run_dir)
        best = next(c for c in trainer.checkpoint_callbacks if isinstance(c, RunCheckpoint))
        _say(f"{best.best}: {best.monitor} {best.best_value:.4f} after epoch {best.best_epoch + 1}")
    return run_dir


class _RunData(LightningDataModule):
    """The run's data, with a sampler that knows the first epoch.

    Lightning tells the sampler its epoch only after the workers have fetched their first batches, so a
    resumed run would begin with some of epoch 0.
    """

    def __init__(self, data: SegmentationData, epoch: int) -> None:
        super().__init__()
        self.data, self.epoch = data, epoch

    def setup(self, stage: str) -> None:
        self.data.trainer = self.trainer
        self.data.setup(stage)

    def train_dataloader(self) -> Any:
        loader = self.data.train_dataloader()
        assert isinstance(loader.sampler, DrawSampler)
        loader.sampler.set_epoch(self.epoch)
        return loader

    def val_dataloader(self) -> Any:
        return self.data.val_dataloader()


def _build(cfg: DictConfig, key: str, **values: Any) -> Any:
    """Instantiate one group, its errors as one sentence."""
    if not (group := cfg.get(key)):
        return None
    try:
        return instantiate(group, **values)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, (ValueError, FileNotFoundError, ImportError, OSError)):
            raise cause from None
        text = str(cause or error).strip().splitlines()[0]
        raise ValueError(f"{key}: {text}") from error


def _filled(cfg: DictConfig, spec: DataSpec) -> DictConfig:
    """The config with this machine's precision, and the model's channels, classes and bands from the data."""
    cfg = cfg.copy()
    if cfg.trainer.get("precision") == "auto":
        half = _has_bf16(cfg.trainer.get("accelerator"), spec.ndim)
        cfg.trainer.precision = "bf16-mixed" if half else "32-true"
    for key, value, names in (
        ("in_channels", len(spec.bands), spec.bands),
        ("num_classes", len(spec.outputs), spec.outputs),
    ):
        given = cfg.model.get(key)
        if given is not None and given != value:
            raise ValueError(
                f"model.{key}={given} but the data has {value} ({', '.join(names)}); leave model.{key} null"
            )
        OmegaConf.update(cfg, f"model.{key}", value, force_add=True)
    encoder = cfg.model.get("encoder") or {}
    if encoder.get("stem") == "keep_rgb" and encoder.get("bands") is None:
        OmegaConf.update(cfg, "model.encoder.bands", list(spec.bands), force_add=True)
    return cfg


@rank_zero_only
def _check_files(data: SegmentationData) -> None:
    """Refuse broken or missing data before the first epoch."""
    if problems := data.check():
        more = f" (and {len(problems) - 1} more, see unetzoo data check)" if len(problems) > 1 else ""
        raise ValueError(problems[0] + more)


def _match(model: SegmentationNetwork, spec: DataSpec) -> None:
    """Refuse a network that cannot learn from such data."""
    if model.ndim != spec.ndim:
        raise ValueError(
            f"the model is {model.ndim}D but the data is {spec.ndim}D; choose another model or encoder"
        )
    outputs = model.outputs
    if spec.target is not None:
        _match_target(model, spec.target)
        return
    if model.activation == "none":
        raise ValueError(
            "the data has classes and the head predicts an image; choose head=multiclass, or data.target"
        )
    if spec.multilabel and model.activation != "sigmoid":
        raise ValueError(
            "the data has one mask per class (data.multilabel=true); choose model/head=multilabel, or "
            "nested where each class lies within the one before"
        )
    if not spec.multilabel and model.activation == "sigmoid" and outputs != 1:
        raise ValueError(
            "the data has one class per pixel; choose model/head=multiclass, or binary for two classes"
        )
    if outputs not in (1, len(spec.classes)):
        raise ValueError(f"the head has {outputs} outputs for {len(spec.classes)} classes")


def _match_target(model: SegmentationNetwork, target: ImageTarget) -> None:
    """Refuse a network that cannot learn an image."""
    if model.activation != "none":
        raise ValueError(
            f"the data has target images and the head's activation is {model.activation}; choose "
            "model/head=regression"
        )
    if model.outputs != len(target.bands):
        raise ValueError(f"the head has {model.outputs} outputs for {len(target.bands)} bands of the target")
    if type(model).shown is not SegmentationNetwork.shown:
        raise ValueError(f"{type(model).__name__} learns from masks and the data has target images")
    for name, _ in model.objectives():
        raise ValueError(
            f"the auxiliary objective '{name}' learns classes and the data has target images; "
            "choose model/auxiliary=none"
        )


def _initialise(model: SegmentationNetwork, cfg: DictConfig, start: Start) -> None:
    """Take over another run's weights, where a new run says so."""
    path, fresh = cfg.get("init"), list(cfg.get("fresh") or ())
    if fresh and not path:
        raise ValueError(f"fresh={fresh} are parts that take no weights from init, and init is null; set it")
    if path and start.checkpoint is None:
        _say(start_from(model, path, fresh=fresh))


def _task(cfg: DictConfig, model: SegmentationNetwork, spec: DataSpec) -> Task:
    loss, optimizer, scheduler = (_build(cfg, key) for key in ("loss", "optimizer", "scheduler"))
    options = dict(cfg.get("task", {}))
    try:
        kind = get_class(options.pop("_target_", "unetzoo.task.SegmentationTask"))
        if spec.target is not None and getattr(kind, "reference", "") != "target":
            raise ValueError(
                f"the data has target images, and {kind.__name__} does not learn such; choose task=regression"
            )
        task: Task = kind(model, loss, optimizer, scheduler=scheduler, data=spec, **options)
    except TypeError as error:
        raise ValueError(f"task: {error}") from error
    task.build_optimizer()  # refuses a wrong setting here, before other processes start and say it again
    return task


def _trainer(
    cfg: DictConfig, run_dir: Path, config: str, spec: DataSpec, start: Start, task: Task
) -> Trainer:
    bar = sys.stderr.isatty()
    defaults = {"enable_progress_bar": bar, "enable_model_summary": False, "num_sanity_val_steps": 0}
    try:
        trainer: Trainer = _build(cfg, "trainer")(
            **{name: value for name, value in defaults.items() if name not in cfg.trainer},
            default_root_dir=run_dir,
            use_distributed_sampler=False,
            plugins=[AtomicCheckpointIO()],
            logger=[_logger(cfg.logger, name, start) for name in cfg.get("logger") or ()],
            callbacks=[
                # after optimizer and schedule are made, so that a setting they refuse leaves nothing behind
                LambdaCallback(on_fit_start=lambda *_: _save_config(run_dir, config)),
                SeedEachStep(cfg.seed),
                EpochTable(run_dir / "metrics.csv", echo=not cfg.trainer.get("enable_progress_bar", bar)),
                *(_build(cfg.callbacks, name) for name in cfg.get("callbacks") or ()),
                RunCheckpoint(
                    run_dir / "checkpoints",
                    config=config,
                    data=json.dumps(spec.to_dict()),
                    monitor=task.monitor,
                    mode=task.mode,
                ),
            ],
        )
    except (MisconfigurationException, TypeError) as error:
        raise ValueError(f"trainer: {str(error).strip().splitlines()[0]}") from error
    return trainer


def _logger(loggers: DictConfig, name: str, start: Start) -> Any:
    # what a killed run logged after its last checkpoint is going to be logged again
    again = str(loggers[name].get("_target_")).endswith("TensorBoardLogger") and start.steps
    return _build(loggers, name, **({"purge_step": start.steps} if again else {}))


def _fit(trainer: Trainer, task: Task, data: _RunData, start: Start, run_dir: Path) -> None:
    main = threading.current_thread() is threading.main_thread()
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, datamodule=data, ckpt_path=start.checkpoint, weights_only=True)
    except SIGTERMException as error:
        _say(f"{run_dir}: terminated; the same command continues after the last whole epoch")
        raise SystemExit(128 + signal.SIGTERM) from error
    except SystemExit as error:
        # Lightning turns Ctrl-C into an exit of its own, after shutting down in order; others are meant, as
        # that of submitit, which has put the job back into the queue
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        _say(f"{run_dir}: interrupted; the same command continues after the last whole epoch")
        raise KeyboardInterrupt from error
    finally:
        if main:
            signal.signal(signal.SIGINT, on_interrupt)


@rank_zero_only
def _save_config(run_dir: Path, config: str) -> None:
    with atomic(run_dir / "config.yaml") as file:
        file.write(config.encode())


@rank_zero_only
def _say(text: str) -> None:
    print(text, flush=True)


def _require_cases(data: SegmentationData, processes: int) -> None:
    """Refuse more processes than validation has cases, since one without any would never meet the others."""
    if (count := len(data.cases("val"))) < processes:
        raise ValueError(
            f"{processes} processes have {count} val case(s) to measure, at least one each; set "
            f"trainer.devices and trainer.num_nodes to {count} in all, or give more cases to val"
        )


@rank_zero_only
def _introduce(
    run_dir: Path, model: SegmentationNetwork, data: SegmentationData, start: Start, trainer: Trainer
) -> None:
    if start.damaged is not None:
        _say(f"{start.damaged}: is damaged, going on from best.ckpt instead")
    parameters = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    some = f", {trained:,} of them trained" if trained < parameters else ""
    cases = ", ".join(f"{len(data.cases(split))} {split}" for split in ("train", "val", "test"))
    going_on = f"going on after epoch {start.epochs} of" if start.checkpoint else "training for"
    where = f"{trainer.accelerator.__class__.__name__.removesuffix('Accelerator')} x {trainer.world_size}"
    going_on += f" {trainer.max_epochs} epochs"
    if trainer.precision.startswith("bf16") and where.startswith("CPU") and not _has_bf16("cpu", model.ndim):
        _say("in bfloat16 this is slower here, or wrong in 3D; trainer.precision=32-true is better")
    _say(f"{run_dir}: {parameters / 1e6:.2f} M parameters{some}; {cases} cases; {where}; {going_on}")


def _has_bf16(accelerator: str | None, ndim: int) -> bool:
    """Whether what this trains on multiplies bfloat16 by itself, does not imitate it, and does it right."""
    if accelerator != "cpu" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # on a CPU, torch 2.15's weight gradient of a Conv3d reads what nobody wrote where maps are shallow
    # (nor is the question there where mkldnn is not)
    if ndim == 3 or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Lightning says to developers away from users."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",
            ".*have overridden `transfer_batch_to_device`.*",
            ".*LeafSpec.*is deprecated.*",
            ".*does not have a deterministic implementation.*",
            ".*smaller than the logging interval.*",
            ".*in eval mode at the start of training.*",
            ".*recommended to use `self.log.*sync_dist=True.*",
        ):
            warnings.filterwarnings("ignore", message)
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
