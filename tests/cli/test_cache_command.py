import json
import os
import subprocess
import sys

from normscope.cli.app import run
from normscope.images.folder import open_folder


def test_list_and_clear(class_folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NORMSCOPE_CACHE", str(tmp_path / "cache"))
    assert run(["cache"]) == 0
    assert capsys.readouterr().out == f"0 files, 0.0 MB in {tmp_path / 'cache' / 'decoded'}.\n"
    open_folder(class_folders)
    assert run(["cache"]) == 0
    assert "1 file, " in capsys.readouterr().out
    assert run(["cache", "--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["entries"][0]["source"] == str(class_folders)
    assert run(["cache", "--clear", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["freed_bytes"] == listed["bytes"]


def test_damage_is_told_in_one_sentence(class_folders, tmp_path, monkeypatch):
    monkeypatch.setenv("NORMSCOPE_CACHE", str(tmp_path / "cache"))
    open_folder(class_folders)
    (path,) = (tmp_path / "cache" / "decoded").glob("*.images")
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole) // 4) + whole[len(whole) // 4 :])
    call = [sys.executable, "-m", "normscope", "scan", str(class_folders), "--dry-run"]
    told = subprocess.run(call, env=os.environ, capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (
        0,
        f"normscope: the decoded images of {class_folders} must be whole to be used, got damage "
        f"in {path}; decoding them anew. Check the disk if it happens again.\n",
    )
    assert path.read_bytes() == whole
