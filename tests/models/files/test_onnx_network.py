import numpy as np
import pytest
import torch

from normscope.errors import NormscopeError
from normscope.models.files.onnx_file import read_graph
from tests.models.files.networks import built, small_network, some_images, write_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

FLOAT = TensorProto.FLOAT


def graph(path, nodes, given, outputs=(("y", FLOAT, [None] * 4),), initializers=(), **more):
    """Write a graph of nodes; shapes of inputs as they are."""
    made = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(*one) for one in given],
        [helper.make_tensor_value_info(*one) for one in outputs],
        list(initializers),
    )  # fmt: skip
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    model = helper.make_model(made, opset_imports=imports, ir_version=8)
    onnx.save(model, path, **more)
    return path


def means(path, shape, axes, kind=FLOAT):
    """A network whose outputs are the means over some axes."""
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=list(axes), keepdims=0)
    return graph(path, [node], [("x", kind, shape)], [("y", kind, [None] * 2)])


@pytest.mark.parametrize("batch", [None, 1, 2])
def test_it_gives_what_torch_gives_for_any_number_of_images(tmp_path, batch):
    network, images = small_network(), some_images(3)
    path = write_onnx(network, tmp_path / "n.onnx", images, batch=batch)
    torch.testing.assert_close(built(path)(images), network(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        (["n", 3, "h", "w"], (2, 3)),
        (["n", "h", "w", 3], (1, 2)),
        ([1, 16, 16, 3], (1, 2)),
        (["n", 3, 16, 16], (2, 3)),
        ([None, None, None, None], (2, 3)),
    ],
)
def test_channels_first_and_last(tmp_path, shape, axes):
    images = some_images()
    found = built(means(tmp_path / "n.onnx", shape, axes), classes=3)(images)
    torch.testing.assert_close(found, images.mean(dim=(2, 3)))


@pytest.mark.parametrize("channels", [1, 3, 4, 10])
def test_channels(tmp_path, channels):
    path = means(tmp_path / "n.onnx", ["n", channels, 16, 16], (2, 3))
    images = some_images(channels=channels)
    found = built(path, channels=channels, classes=channels)(images)
    torch.testing.assert_close(found, images.mean(dim=(2, 3)))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_floats(tmp_path, kind):
    path = means(tmp_path / "n.onnx", ["n", 3, 16, 16], (2, 3), kind)
    found = built(path, classes=3)(some_images())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, some_images().mean(dim=(2, 3)), atol=2e-3, rtol=2e-3)


def test_quantized_weights(tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    network, images = small_network(), some_images()
    path = write_onnx(network, tmp_path / "n.onnx", images)
    quantize_dynamic(path, tmp_path / "q.onnx", op_types_to_quantize=["MatMul", "Gemm"])
    torch.testing.assert_close(
        built(tmp_path / "q.onnx")(images), network(images), atol=0.02, rtol=0.02
    )


def test_outputs_of_one_pixel_are_flattened(tmp_path):
    node = helper.make_node("GlobalAveragePool", ["x"], ["y"])
    path = graph(tmp_path / "n.onnx", [node], [("x", FLOAT, ["n", 3, 16, 16])])
    assert built(path, classes=3)(some_images()).shape == (3, 3)


def identity(*names):
    return [helper.make_node("Identity", [name], [f"y{i}"]) for i, name in enumerate(names)]


@pytest.mark.parametrize(
    ("nodes", "given", "outputs", "sentence"),
    [
        (
            identity("x"), [("x", FLOAT, [1, 80, "t"])], ["y0"],
            "{} must take images of shape (N, C, H, W) or (N, H, W, C), got the input x of "
            "1 x 80 x ?. Choose a model of images.",
        ),
        (
            identity("x"), [("x", TensorProto.INT64, ["n", 128])], ["y0"],
            "{} must take floats, normalized pixels, got the input x of int64: no normalized "
            "pixels. Export the network without what stands in front of it.",
        ),
        (
            identity("x"), [("x", TensorProto.UINT8, ["n", 3, 16, 16])], ["y0"],
            "{} must take floats, normalized pixels, got the input x of uint8: raw pixels, so "
            "that its normalization lies inside it. Give the file that it was folded from, or "
            "export the network without what stands in front of it.",
        ),
        (
            identity("x"), [("x", TensorProto.INT8, ["n", 3, 16, 16])], ["y0"],
            "{} must take floats, normalized pixels, got the input x of int8: raw pixels, so that "
            "its normalization lies inside it. Give the file that it was folded from, or export "
            "the network without what stands in front of it.",
        ),
        (
            identity("x", "z"),
            [("x", FLOAT, [1, 3, 16, 16]), ("z", FLOAT, [1, 2])], ["y0"],
            "{} must have one input, a batch of images, got 2 (x, z). Export the part of it that "
            "takes images alone.",
        ),
        (
            identity("x", "x"), [("x", FLOAT, [1, 3, 16, 16])], ["y0", "y1"],
            "{} must have one output, shape (N, classes), got 2 (y0, y1). Export it with the "
            "classes' alone.",
        ),
        (
            [helper.make_node("Magic", ["x"], ["y0"], domain="mine")],
            [("x", FLOAT, [1, 3, 16, 16])], ["y0"],
            "{} must use operators that onnxruntime has, got mine.Magic, which is a custom one. "
            "Export it without.",
        ),
    ],
)  # fmt: skip
def test_what_is_no_network_of_images(tmp_path, nodes, given, outputs, sentence):
    _, kind, shape = given[0]
    path = graph(tmp_path / "n.onnx", nodes, given, [(name, kind, shape) for name in outputs])
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value) == sentence.format(path)


def test_images_that_it_does_not_take(tmp_path):
    network = built(means(tmp_path / "n.onnx", ["n", 3, 16, 16], (2, 3)), classes=3)
    with pytest.raises(NormscopeError) as met:
        network(some_images(channels=1))
    assert str(met.value) == (
        f"images must have 3 channels for {tmp_path / 'n.onnx'}, got 1. Give such images, or "
        "--channels rgb or grey."
    )
    with pytest.raises(NormscopeError) as met:
        network(some_images(pixels=20))
    assert str(met.value).startswith(
        f"{tmp_path / 'n.onnx'} must take images of shape (3, 3, 20, 20), got: "
    )
    assert str(met.value).endswith(". Give --resize and --crop as in its evaluation.")


def with_weights(path, weight, **more):
    node = helper.make_node("Add", ["x", "w"], ["y"])
    return graph(path, [node], [("x", FLOAT, ["n", 3, 16, 16])], initializers=[weight], **more)


def beside(path, location="w.bin"):
    weight = numpy_helper.from_array(np.ones((3, 16, 16), np.float32), "w")
    with_weights(path, weight, save_as_external_data=True, location="w.bin", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    onnx.save(model, path)
    return path


def test_weights_beside_it(tmp_path):
    path = beside(tmp_path / "n.onnx")
    held = numpy_helper.to_array(read_graph(path).graph.initializer[0])
    assert (held == 1).all()
    torch.testing.assert_close(built(path)(some_images()), some_images() + 1)


@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd", "link.bin"])
def test_weights_elsewhere(tmp_path, location):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(4 * 3 * 16 * 16))
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    path = beside(folder / "n.onnx", location)
    with pytest.raises(NormscopeError) as met:
        read_graph(path)
    assert str(met.value) == (
        f"the weights of {path} must lie in its own folder, got '{location}' for w. Put the file "
        "of weights beside it and export it again."
    )


def test_weights_that_are_missing_or_cut(tmp_path):
    path = beside(tmp_path / "n.onnx")
    (tmp_path / "w.bin").write_bytes(b"123")
    with pytest.raises(NormscopeError) as met:
        read_graph(path)
    assert str(met.value) == (
        f"{path} must be a whole ONNX file, got w of shape (3, 16, 16) at bytes 0 to 3072 of "
        "w.bin, which has 3. Fetch it again."
    )
    (tmp_path / "w.bin").unlink()
    with pytest.raises(NormscopeError) as met:
        read_graph(path)
    assert str(met.value) == (
        f"the weights of {path} must lie beside it, got no file w.bin. Fetch it too."
    )


def test_claims_of_more_than_there_is(tmp_path):
    path = tmp_path / "n.onnx"
    huge = TensorProto(name="w", data_type=FLOAT, dims=[10**6, 10**6], raw_data=b"1234")
    with pytest.raises(NormscopeError) as met:
        read_graph(with_weights(path, huge))
    assert str(met.value) == (
        f"{path} must be a whole ONNX file, got w of shape (1000000, 1000000) with 4 bytes in "
        "place of 4000000000000. Fetch it again."
    )
    none = TensorProto(name="w", data_type=FLOAT, dims=[10**6, 10**6])
    with pytest.raises(NormscopeError, match=r"got w of shape \(1000000, 1000000\) with \d+ byte"):
        read_graph(with_weights(path, none))
    nodes = [
        helper.make_node("ConstantOfShape", ["w"], ["z"]),
        helper.make_node("Add", ["x", "z"], ["y"]),
    ]
    shape = numpy_helper.from_array(np.array([10**6, 10**6]), "w")
    given = [("x", FLOAT, ["n", 3, 16, 16])]
    with pytest.raises(NormscopeError) as met:
        read_graph(graph(path, nodes, given, initializers=[shape]))
    assert str(met.value) == (
        f"{path} must make tensors of at most 4,294,967,296 numbers, got 1,000,000,000,000 from "
        "ConstantOfShape z. Fetch the file from its source again."
    )


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_files_that_are_cut_or_no_onnx(tmp_path, content):
    path = tmp_path / "n.onnx"
    if content is None:
        write_onnx(small_network(), path, some_images())
        content = path.read_bytes()[:-300]
    path.write_bytes(content)
    with pytest.raises(NormscopeError) as met:
        built(path)
    empty = f"a model's file must hold a model, got {path}, which is empty. Fetch it again."
    assert str(met.value) == empty or str(met.value).startswith(
        f"{path} must be a whole ONNX file, got"
    )


def test_without_its_extra(tmp_path, monkeypatch):
    import sys

    path = means(tmp_path / "n.onnx", ["n", 3, 16, 16], (2, 3))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value) == (
        f"onnxruntime must be installed for {path}, got none. Run: pip install 'normscope[onnx]'"
    )
