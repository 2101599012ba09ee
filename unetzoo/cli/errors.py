"""Which exceptions are a user's mistake, and the one sentence that says so."""


def sentence(error: BaseException) -> str | None:
    """One line for a user's mistake; None for a bug, which deserves its traceback."""
    if type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error):
        return "out of memory; lower data.batch_size or data.patch, or take a smaller model"
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror.lower()}"
    if isinstance(error, ValueError | OSError | ImportError) or _is_config_error(error):
        return " ".join(str(error).split()) or type(error).__name__
    return None


def _is_config_error(error: BaseException) -> bool:
    # by name, because importing torch, lightning, yaml and omegaconf to look at an error takes seconds
    names = {f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    return not names.isdisjoint(_CONFIG_ERRORS)


_CONFIG_ERRORS = {
    "hydra.HydraException",
    "omegaconf.OmegaConfBaseException",
    "yaml.YAMLError",
    "lightning.MisconfigurationException",
    "lightning_fabric.MisconfigurationException",
    "lightning_utilities.MisconfigurationException",
}
