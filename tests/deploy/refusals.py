"""What ``fold`` says where it refuses a file."""

from normscope.cli.app import run


def said(capsys, *arguments):
    """The one sentence of a call that is refused."""
    assert run(["fold", *map(str, arguments)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err.removeprefix("normscope: ").rstrip("\n")


def no_fold(met):
    """The sentence where the file's first layer is not such a one."""
    return (
        "only convolutions, linear layers and BatchNorms whose weights can be changed may read the "
        f"pixels, for an exact fold; here {met}. Keep the normalization outside the model."
    )
