"""Studies written before still open, and stand for the same trials to the last byte."""

from __future__ import annotations

import json
import lzma
import tomllib
from pathlib import Path

import pytest

from normscope.studies.search_specification import SearchSpec
from normscope.studies.specification import ScanSpec
from normscope.trials.spec import TrialSpec

FINDINGS = Path(__file__).parents[2] / "docs" / "findings"
KINDS = {"scan": ScanSpec, "search": SearchSpec}


@pytest.mark.parametrize("path", sorted(FINDINGS.rglob("*.toml")), ids=str)
def test_a_specification_is_written_as_it_was_read(path):
    fields = tomllib.loads(path.read_text(encoding="utf-8"))
    specification = KINDS[fields["kind"]].read_toml(path)
    assert tomllib.loads(specification.to_toml()) == fields


@pytest.mark.parametrize("path", sorted(FINDINGS.rglob("*.jsonl.xz")), ids=str)
def test_a_trial_is_written_as_it_was_read(path):
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            fields = json.loads(line)["trial"]
            # The name of a slot is a digest of this text.
            assert json.dumps(TrialSpec.from_json(fields).to_json()) == json.dumps(fields)
