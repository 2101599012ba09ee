"""Compare runs that were evaluated on the same cases.

usage: unetzoo compare run_a run_b ... [split=test] [metric=dice|mae|...] [out=comparison] [seed=0]

  unetzoo compare runs/plain runs/nested runs/attention
  unetzoo compare runs/plain runs/nested metric=hd95 split=val
  unetzoo compare plain/eval/test nested/eval/test out=plain_and_nested

A run is its folder, or a folder that `unetzoo eval` wrote. If no metric is asked for it is Dice, or the mean
absolute error of predicted images. Prints each run's mean with its interval, and of each pair the mean
difference over the same cases with its interval (paired bootstrap, whole groups drawn) and the p-value of
Wilcoxon's test, plain and after Holm's correction. Writes comparison.json and comparison.html, with quality
against parameters, time and memory.
"""

from pathlib import Path

from unetzoo.cli.suggest import did_you_mean

_DEFAULTS = {"split": "test", "metric": "", "out": "comparison", "seed": "0"}


def run(args: list[str]) -> int:
    """Read the evaluations and compare them."""
    if not args or args[0] in ("-h", "--help"):
        print(__doc__.strip() if __doc__ else "")
        return 0
    options, paths = dict(_DEFAULTS), list[Path]()
    for word in args:
        key, equals, value = word.partition("=")
        if not equals and not word.startswith("-"):
            paths.append(Path(word))
        elif key in options and equals:
            options[key] = value
        else:
            raise ValueError(
                f"compare has no option {key}{did_you_mean(key, options)}; it has {', '.join(options)}"
            )
    if not options["seed"].isdecimal():
        raise ValueError(f"seed={options['seed']} must be a whole number, 0 or more")

    from unetzoo.evaluation.compare import compare, write_comparison
    from unetzoo.evaluation.tables import read_evaluation

    if len(set(paths)) < max(2, len(paths)):
        raise ValueError(
            f"{len(paths)} run(s), {len(set(paths))} of them different; give two or more, each once"
        )
    runs = [
        read_evaluation(path, options["split"], name) for path, name in zip(paths, _names(paths), strict=True)
    ]
    comparison = compare(runs, metric=options["metric"] or None, seed=int(options["seed"]))
    out = Path(options["out"])
    write_comparison(out, comparison)
    print(comparison.text())
    print(f"report      {out / 'comparison.html'}")
    return 0


def _names(paths: list[Path]) -> list[str]:
    """The shortest ends of the paths that differ, without what all end in."""
    parts = [path.resolve().parts for path in paths]
    while len({p[-1] for p in parts}) == 1 and min(map(len, parts)) > 1:
        parts = [p[:-1] for p in parts]
    length = 1
    while len({p[-length:] for p in parts}) < len(parts):
        length += 1
    return ["/".join(p[-length:]) for p in parts]
