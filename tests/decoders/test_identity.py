import pytest
import torch

from unetzoo import create_model

SMALL = {"encoder.channels": [4, 6, 8]}


@pytest.mark.parametrize("skip", ["concat", "dla_up", "nested", "full_scale"])
def test_rows_are_the_pathways_own(skip: str) -> None:
    model = create_model(encoder="conv2d", skip=skip, decoder="identity", overrides=SMALL).eval()
    skips, decoded = model.decode(torch.randn(1, 3, 12, 16))
    assert all(a is b for a, b in zip(decoded, reversed(skips), strict=True))
    assert model.decoder.levels == model.skip.levels
    assert not list(model.decoder.parameters())


@pytest.mark.parametrize("skip", ["attention_gate", ["dla_up", "attention_gate"]])
def test_a_pathway_that_merges_is_refused(skip: str | list[str]) -> None:
    with pytest.raises(ValueError, match="IdentityDecoder brings nothing to merge with"):
        create_model(encoder="conv2d", skip=skip, decoder="identity", overrides=SMALL)
