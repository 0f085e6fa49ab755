import json

from normscope.cli.app import run
from normscope.images.folder import open_folder


def test_list_and_clear(class_folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NORMSCOPE_CACHE", str(tmp_path / "cache"))
    assert run(["cache"]) == 0
    assert capsys.readouterr().out == f"0 files, 0.0 MB in {tmp_path / 'cache' / 'decoded'}.\n"
    open_folder(class_folders)
    assert run(["cache"]) == 0
    assert "1 files, " in capsys.readouterr().out
    assert run(["cache", "--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["entries"][0]["source"] == str(class_folders)
    assert run(["cache", "--clear", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["freed_bytes"] == listed["bytes"]
