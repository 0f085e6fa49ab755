from tests.fuzz.guided import NAMES, parsers


def test_every_parser_reads_the_files_that_are_changed(tmp_path):
    found = parsers(tmp_path)
    assert set(found) == set(NAMES)
    for whole, read in found.values():
        assert whole
        for data in whole:
            read(data)
