"""Results show themselves in notebooks: the answer first, every name escaped, nothing fetched."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import optuna
import pytest
import torch
from torch import nn

import normscope
from normscope.notebook_html import MOST_COLUMNS, MOST_ROWS, HtmlTable, notebook_html
from normscope.studies.executors import in_process
from normscope.studies.study import Study
from tests.auditing.conftest import photos  # noqa: F401 - a fixture
from tests.detection.conftest import checkpoint, coloured_images  # noqa: F401 - fixtures
from tests.studies.made_results import made_result

NASTY = "<script>alert(1)</script>"


class Page(HTMLParser):
    """What a browser would make of it: tags, texts, and that every tag that opens is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open, self.attributes = [], [], [], set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def shown(result):
    page = Page(result._repr_html_())
    assert "script" not in page.tags
    assert page.attributes <= {"style"}  # no links, no pictures, nothing to run
    return page


def test_a_long_table_says_what_it_leaves_out():
    rows = [[f"row {k}", *["x"] * 30] for k in range(40)]
    page = Page(HtmlTable(["name", *map(str, range(30))], rows)._repr_html_())
    assert page.tags.count("tr") == 1 + MOST_ROWS
    assert page.tags.count("td") == MOST_ROWS * (MOST_COLUMNS - 1)
    assert page.texts[-1] == "Not shown: 16 rows and 15 columns."


def test_every_text_is_escaped():
    table = HtmlTable([NASTY, NASTY], [[NASTY, NASTY]], NASTY)
    page = Page(notebook_html(NASTY, [NASTY], table))
    assert "script" not in page.tags
    assert page.texts == [NASTY] * 7


def test_shades_are_of_the_cells_behind_the_first():
    html = HtmlTable(["", "a", "b"], [["row", "1", "2"]], shades=[[1.0, None]])._repr_html_()
    assert '<th>row</th><td style="background: rgba(38, 130, 142, 0.50)">1</td><td>2</td>' in html


def test_statistics_of_ten_bands_and_a_nasty_name(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, (6, 10, 8, 8), np.uint8)
    folder = tmp_path / "a<b>"
    folder.mkdir()
    np.save(folder / "bands.npy", array)
    found = normscope.stats(folder / "bands.npy")
    page = shown(found)
    assert page.texts[0].startswith(f"Mean {array[:, 0].mean() / 255:.4g}, ")
    assert page.texts[0].count(", ...") == 2
    assert str(folder / "bands.npy") in page.texts[1]
    for channel in range(10):
        assert any(text.startswith(f"{array[:, channel].mean() / 255:.3f}") for text in page.texts)
    assert repr(found).startswith("<CollectionStatistics: mean 0.")
    assert "6 images, 384 pixels, uint8, divided by 255.>" in repr(found)


def test_statistics_say_what_was_skipped_and_explained(tmp_path):
    (tmp_path / "<script>.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    np.save(tmp_path / "good.npy", np.arange(48, dtype=np.uint8).reshape(1, 3, 4, 4))
    page = shown(normscope.stats(tmp_path, explain="imagenet"))
    assert f"{tmp_path}/<script>.png" in page.texts
    assert any("imagenet" in text.lower() or "0.485" in text for text in page.texts)


@pytest.fixture
def made(monkeypatch, tmp_path):
    """A scan of results that are made, not trained."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    monkeypatch.setattr(in_process, "run_trial", made_result)
    return normscope.scan(
        "digits", mean="0,0.5", std="0.1:1:3:log", seeds=2, epochs=1, train_images=100,
        out=tmp_path / "<script>", workers=1,
    )  # fmt: skip


def test_a_study_says_how_far_it_is_and_a_summary_its_answer(made):
    page = shown(made)
    # 6 cells, no normalization among them, and the data's own statistics, 2 seeds each
    assert page.texts == [
        f"{made.folder}: 14 of 14 trials done.",
        "normscope.summarize(study) says what they tell.",
    ]
    assert repr(made) == f"<Study in {made.folder}: 14 of 14 trials done>"
    summary = normscope.summarize(made)
    page = shown(summary)
    assert page.texts[0] == summary.answer
    assert page.texts[1 : 1 + len(summary.reasons)] == list(summary.reasons)
    # The map: a column for each mean, a row for each std, the greatest on top.
    corner = page.texts.index("std \\ mean")
    assert page.texts[corner + 1 : corner + 3] == ["0", "0.5"]
    names = [text for text in page.texts[corner + 3 :] if text in {"1", "0.316", "0.1"}]
    assert names == ["1", "0.316", "0.1"]
    grid = {
        (cell.normalization.mean[0], cell.normalization.std[0]): f"{cell.accuracy:.3f}"
        for cell in summary.findings.cells[:6]
    }
    assert page.texts[corner + 4 : corner + 6] == [grid[0.0, 1.0], grid[0.5, 1.0]]
    assert repr(summary) == f"<Summary: {summary.answer} 14 of 14 trials>"


def test_a_study_that_cannot_be_read_still_has_a_name(made, monkeypatch):
    def fail(self):
        raise normscope.NormscopeError("study.db must be readable.")

    monkeypatch.setattr(Study, "every_trial", fail)
    assert repr(made) == f"<Study in {made.folder}: 14 trials, which cannot be read now>"


def test_a_search(monkeypatch, tmp_path):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    monkeypatch.setattr(in_process, "run_trial", made_result)
    study = normscope.search(
        "digits", over=["mean=-1:2"], trials=6, replicates=2, epochs=1, train_images=100,
        sampler="random", out=tmp_path / "<b>", workers=1,
    )  # fmt: skip
    assert shown(study).texts == [
        f"{study.folder}: 6 of 6 trials done.",
        "normscope.summarize_search(study) says what they tell.",
    ]
    assert repr(study) == f"<SearchStudy in {study.folder}: 6 of 6 trials done>"
    summary = normscope.summarize_search(study)
    page = shown(summary)
    assert page.texts[0] == summary.answer
    assert {"mean", "accuracy on test, fresh seeds (95 %)", *summary.references} <= {*page.texts}
    assert repr(summary) == f"<SearchSummary: {summary.answer} 6 of 6 trials>"


def test_a_training():
    finished = normscope.train("digits", epochs=2, train_images=100, device="cpu")
    page = shown(finished)
    assert page.texts[0] == finished.sentence
    losses = [f"{epoch['train_loss']:.4f}" for epoch in finished.result.history]
    assert [text for text in page.texts if text in losses] == losses
    assert repr(finished) == f"<FinishedTrial: {finished.sentence}>"


def test_an_audit(photos):  # noqa: F811
    found = normscope.audit(
        "tests.auditing.networks:small", images=photos, norm="imagenet", resize=32, crop=32
    )
    page = shown(found)
    assert page.texts[: len(found.sentences)] == found.sentences
    assert {"reference", *(mistake.name for mistake in found.priced)} <= {*page.texts}
    assert repr(found) == f"<Audit: {found.sentences[0]}>"


def test_a_check(photos):  # noqa: F811
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = normscope.check(network, images=photos, norm="half", count=8, crop=32)
    page = shown(found)
    assert page.texts[0] == found.sentence
    assert [line.says for line in found.evidence if line.says not in page.texts] == []
    assert repr(found) == f"<Check: {found.sentence}>"


def test_a_detection(checkpoint, coloured_images):  # noqa: F811
    model = checkpoint((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    found = normscope.detect(model, images=coloured_images, augmentation="none")
    page = shown(found)
    assert page.texts[0] == found.sentence
    assert {"imagenet", "none of the known", "90 % interval"} <= {*page.texts}
    assert repr(found) == f"<Detection: {found.sentence}>"


def test_a_detection_by_answers(coloured_images):  # noqa: F811
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 18 * 18, 5))
    found = normscope.detect(model, images=coloured_images[:40])
    assert shown(found).texts[0] == found.sentence
    assert repr(found) == f"<AnswerEvidence: {found.sentence}>"


def test_a_fold():
    folded = normscope.fold(nn.Sequential(nn.Conv2d(1, 2, 3)), "0.5/0.25", image_size=8)
    assert shown(folded).texts == [
        "The model takes pixels of 0..255. Folded 0.5/0.25 into 0 (Convolution).",
        "Traced with an image of 1 channel, 8 x 8.",
        "layer", "replaced by", "0", "Convolution",
    ]  # fmt: skip
    assert repr(folded) == (
        "<Folded: the model takes pixels of 0..255. Folded 0.5/0.25 into 0 (Convolution).>"
    )


def test_words_are_aligned_left_and_numbers_are_not():
    rows = [["labels", "By labels: imagenet."]]
    html = HtmlTable(("evidence", "what it says"), rows, words=True)._repr_html_()
    assert '<th style="text-align: left">what it says</th>' in html
    assert '<td style="text-align: left">By labels: imagenet.</td>' in html
    assert "text-align" not in HtmlTable(("", "mean"), [["red", "0.5"]])._repr_html_()
