"""The picture of the architecture is what the code draws of manifests/ and canary.yml."""

from __future__ import annotations

from scripts.make_architecture import PICTURE, draw


def test_the_picture_in_the_readme_is_current() -> None:
    again = "draw it again: .venv/bin/python -m scripts.make_architecture"
    assert PICTURE.read_text() == draw(), f"{PICTURE.name} is not what the code draws: {again}"


def test_the_picture_names_the_variants_with_their_pods_and_has_no_script() -> None:
    drawn = draw()
    for words in ("sampleapp-baseline", "sampleapp-canary", "4 pods, metrics on 8000", "sampleapp, port 8080"):
        assert words in drawn
    assert "<script" not in drawn
