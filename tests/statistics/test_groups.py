"""Groups of images: NumPy's statistics of each, and intervals that hold as often as they say."""

from __future__ import annotations

import json
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy import stats as scipy_stats

from normscope import stats
from normscope.cli.app import run
from normscope.errors import NormscopeError, UnknownName
from normscope.images.stream import open_stream
from normscope.statistics.collected import Collected
from normscope.statistics.group_differences import NO_DIFFERENCE, compare_groups
from normscope.statistics.group_sums import GroupSums
from normscope.statistics.groups import Groups
from normscope.statistics.image_sums import ImageSums
from normscope.statistics.kinds import Kind
from normscope.statistics.names import Roots
from normscope.statistics.reading import Reading
from normscope.statistics.reduce import reduce_shard

RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """Grey images of three sites, one of them brighter, some deeper in folders."""
    root = tmp_path_factory.mktemp("sites")
    images = {}
    for site, shift in (("north", 0), ("south", 0), ("west", 25)):
        for number in range(40):
            near = RNG.normal(90 + shift, 3)
            image = RNG.normal(near, 20, (6, 6 + number % 3)).clip(0, 255).astype(np.uint8)
            path = root / site / ("deep" if number % 2 else "") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
            images[str(path.relative_to(root))] = image
    return root, images


def of_site(images, site):
    return [image for name, image in images.items() if name.startswith(site)]


def test_each_group_against_numpy_and_welch(sites):
    root, images = sites
    found = stats(root, by="folder").groups
    assert [(g.name, g.images) for g in found.groups] == [
        (s, 40) for s in ["north", "south", "west"]
    ]
    for group in found.groups:
        own = of_site(images, group.name)
        rest = [image for name, image in images.items() if not name.startswith(group.name)]
        pixels, others = (np.concatenate([i.ravel() for i in part]) / 255 for part in (own, rest))
        assert group.mean.value[0] == pytest.approx(pixels.mean(), rel=1e-13)
        assert group.std.value[0] == pytest.approx(pixels.std(), rel=1e-13)
        (difference,) = group.mean_difference
        assert difference.value == pytest.approx(pixels.mean() - others.mean(), rel=1e-9)
        errors = [_ratio_error(part) for part in (own, rest)]
        counts = (len(own), len(rest))
        freedom = sum(e**2 for e in errors) ** 2 / sum(
            e**4 / (n - 1) for e, n in zip(errors, counts, strict=True)
        )
        half = scipy_stats.t.isf(0.05 / 6 / 2, freedom) * np.hypot(*errors)
        assert difference.high - difference.value == pytest.approx(half, rel=1e-9)
        assert difference.value - difference.low == pytest.approx(half, rel=1e-9)


def _ratio_error(images):
    n = np.array([image.size for image in images])
    s = np.array([image.sum() / 255 for image in images])
    left = s - n * s.sum() / n.sum()
    return np.sqrt(len(n) / (len(n) - 1) * (left**2).sum()) / n.sum()


def test_the_sentence_names_the_group_that_differs(sites, capsys):
    root, _ = sites
    found = stats(root, by="folder").groups
    difference = found.groups[2].mean_difference[0]
    assert found.sentence.startswith(
        f"west is brighter than the others by {difference.value:.3f} "
        f"({difference.low:.3f} to {difference.high:.3f})."
    )
    assert run(["stats", str(root), "--by", "folder"]) == 0
    out = capsys.readouterr().out
    assert found.sentence in out
    assert (
        f"│ west (40)      │ {found.groups[2].mean.value[0]:.4f} (+{difference.value:.3f}, " in out
    )
    assert found.to_json()["groups"][2]["mean_difference"][0] == {
        "value": difference.value, "low": difference.low, "high": difference.high,
    }  # fmt: skip


def test_no_difference_is_said_plainly(tmp_path):
    for number in range(20):
        for site in "ab":
            (tmp_path / site).mkdir(exist_ok=True)
            image = np.random.default_rng(number + 100 * (site == "b")).integers(0, 256, (8, 8, 3))
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / site / f"{number}.png")
    assert stats(tmp_path, by="folder").groups.sentence == NO_DIFFERENCE


def test_the_table_s_groups_are_by_path_in_folders_and_archives(sites, tmp_path):
    root, images = sites
    rows = ["path,camera,site"]
    rows += [f"{name},1,{'left' if 'deep' in name else 'right'}" for name in images]
    (tmp_path / "sites.csv").write_text("\ufeff" + "\n".join(rows[:-1]) + "\n", encoding="utf-8")
    with tarfile.open(tmp_path / "in.tar", "w") as tar:
        tar.add(root, ".")
    for source in (root, tmp_path / "in.tar"):
        found = stats(source, by=f"{tmp_path}/sites.csv:site").groups
        assert [(g.name, g.images) for g in found.groups] == [("left", 59), ("right", 60)]
        assert found.outside == 1
        assert found.sentence.endswith(" 1 image is in no group and not compared.")
        own = np.concatenate(
            [image.ravel() for name, image in images.items() if "deep" not in name]
        )
        assert found.groups[1].mean.value[0] == pytest.approx(own.mean() / 255, rel=1e-13)
        assert found.to_json()["groups"][1]["stored_mean"][0] == pytest.approx(own.mean())


@pytest.mark.parametrize(
    ("path", "split", "group"),
    [
        ("photos/train/cat/1.png", None, "cat"),
        ("photos/val/cat/1.png", "val", "cat"),
        ("photos/val/cat/1.png", "all", "val"),
        ("photos/train/1.png", None, ""),
        ("a.tar/train/cat/1.png", None, "cat"),
        ("a.tar/cifar/test/cat/1.png", "test", "cat"),
        ("a.tar/test/cat/1.png", "all", "test"),
        ("a.tar/./cat/x/1.png", None, "cat"),
    ],
)
def test_the_first_folder_is_below_the_split(tmp_path, monkeypatch, path, split, group):
    monkeypatch.chdir(tmp_path)
    for folder in ("train", "val", "test"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
    (tmp_path / "a.tar").touch()
    groups = Groups.of("folder", ["photos/", "a.tar"], split)
    assert groups.group_of(path) == (group or None)


def test_names_are_relative_to_their_root():
    roots = Roots(("/", "a/b", "c.png"))
    assert roots.relative("a/b/x/1.png") == "x/1.png"
    assert roots.relative("c.png") == "c.png"
    assert roots.relative("/x/1.png") == "x/1.png"
    assert roots.relative("elsewhere/1.png") == "elsewhere/1.png"


def test_merging_in_any_order_and_json_change_nothing(sites):
    root, _ = sites
    reading = Reading(groups=Groups.of("folder", root, None))
    parts = [reduce_shard(shard, reading) for shard in open_stream(root).shards()]
    assert len(parts) > 2
    parts = [pickle.loads(pickle.dumps(part)) for part in parts]
    assert pickle.loads(pickle.dumps(reading)) == reading
    parts = [Collected.from_json(json.loads(json.dumps(part.to_json()))) for part in parts]
    totals = []
    for order in (parts, parts[::-1], parts[1:] + parts[:1]):
        total = GroupSums()
        for part in order:
            total.merge(part.groups)
        totals.append(total.of_kind(Kind(1, "uint8")))
    assert totals[0] == totals[1] == totals[2]
    whole = stats(root, by="folder", workers=1).groups
    assert stats(root, by="folder", workers=3).groups.to_json() == whole.to_json()


def test_grey_images_count_in_groups_of_colour(tmp_path):
    for site in "ab":
        (tmp_path / site).mkdir()
        for number in range(4):
            shape = (5, 5) if number % 2 else (5, 5, 3)
            image = RNG.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / site / f"{number}.png")
    found = stats(tmp_path, by="folder")
    assert [group.images for group in found.groups.groups] == [4, 4]
    mean = np.mean([group.mean.value for group in found.groups.groups], axis=0)
    assert mean == pytest.approx(found.mean.value)


@pytest.mark.parametrize("shifts", [(0, 0, 30), (0, 40)])
def test_simultaneous_intervals_hold_as_often_as_they_say(shifts):
    rng = np.random.default_rng(7)
    images, scatter, noise, held, runs = 30, 10.0, 20.0, 0, 200
    centres = 100 + np.array(shifts)
    for _ in range(runs):
        sums = GroupSums()
        for name, centre in zip("abc", centres, strict=False):
            mean = rng.normal(centre, scatter, (images, 1))
            own_variance = noise**2 * rng.gamma(8, 1 / 8, (images, 1))
            n = np.full((images, 1), 64)
            made = ImageSums(n, 64 * mean, 64 * (mean**2 + own_variance), own_variance)
            sums.add(Kind(1, "float64"), [name] * images, made)
        found = compare_groups("folder", sums.of_kind(Kind(1, "float64")), 0, 1, ("grey",))
        held += all(
            interval.low <= truth <= interval.high
            for at, group in enumerate(found.groups)
            for interval, truth in zip(
                (*group.mean_difference, *group.std_difference),
                _truth(centres, at, scatter**2 + noise**2), strict=True,
            )
        )  # fmt: skip
    assert 0.92 <= held / runs <= 0.99


def _truth(centres, at, variance):
    rest = np.delete(centres, at)
    return centres[at] - rest.mean(), np.sqrt(variance) - np.sqrt(variance + rest.var())


def test_one_group_and_groups_of_one_image(tmp_path):
    for site in "ab":
        (tmp_path / site).mkdir()
        Image.fromarray(RNG.integers(0, 256, (5, 5), dtype=np.uint8)).save(
            tmp_path / site / "1.png"
        )
    found = stats(tmp_path, by="folder").groups
    assert found.sentence == f"{NO_DIFFERENCE} Of a and b there is one image, too few to tell."
    assert found.groups[0].mean_difference[0].low is None
    (tmp_path / "b" / "1.png").unlink()
    found = stats(tmp_path, by="folder").groups
    assert found.sentence == "There is one group, 'a': nothing to compare it with."


def test_more_groups_than_sums_are_kept_of_are_refused(sites, monkeypatch):
    monkeypatch.setattr("normscope.statistics.group_sums.MOST_GROUPS", 2)
    with pytest.raises(NormscopeError) as error:
        stats(sites[0], by="folder", workers=1)
    assert str(error.value) == (
        "by must make at most 2 groups, got more, such as 'west'. Sort the images into fewer."
    )


def test_what_makes_no_groups_is_refused(sites, tmp_path):
    root = sites[0]
    (tmp_path / "t.csv").write_text("path,site\nx.png,a\n")
    with pytest.raises(NormscopeError) as error:
        stats(root / "west", by=f"{tmp_path}/t.csv:site")
    assert str(error.value) == (
        "by must find the group of at least one image, got none by "
        f"{tmp_path}/t.csv:site for 40 images. Write paths relative to the source into the "
        "table's first column."
    )
    with pytest.raises(UnknownName, match=r"the column of by='.*' must be one of site, got 'sit'"):
        stats(root, by=f"{tmp_path}/t.csv:sit")
    (tmp_path / "t.csv").write_text("path;site\n")
    with pytest.raises(NormscopeError) as error:
        stats(root, by=f"{tmp_path}/t.csv:site")
    assert str(error.value) == (
        f"by must name a table with commas between its columns, got {tmp_path}/t.csv with 1 in "
        "its first line. Write path,site there."
    )
    with pytest.raises(NormscopeError) as error:
        stats(root, by="sites")
    assert str(error.value) == (
        "by must be folder, series or FILE.csv:COLUMN, got 'sites'. Write it as "
        "sites.csv:site, where the first column of sites.csv has the images' paths."
    )
    with pytest.raises(NormscopeError) as error:
        stats(root, by="none.csv:site")
    assert str(error.value) == (
        "by must name a readable CSV file, got none.csv: No such file or directory. Check the path."
    )
    with pytest.raises(NormscopeError) as error:
        stats("digits", by="folder")
    assert str(error.value) == (
        "by must have images with paths, got digits. Give folders, files or archives of images."
    )
    with pytest.raises(NormscopeError, match="got none by folder for 20 images. Give a source"):
        stats(root / "west" / "deep", by="folder")
