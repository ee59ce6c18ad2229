"""Finding runtimes by name, and saying why one cannot be used."""

import pytest

from crossrt.core.install import TENSORFLOW, install_command
from crossrt.runtimes.errors import UnknownRuntimeError
from crossrt.runtimes.registry import default_runtime_names, get_runtime, runtime_names

GET = """
    import sys
    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name in {absent!r}:
                raise ModuleNotFoundError("No module named " + repr(name), name=name)
    sys.meta_path.insert(0, Absent())
    from crossrt.core.errors import CrossrtError
    from crossrt.runtimes import registry
    try:
        print(registry.get_runtime({name!r}).name)
    except CrossrtError as error:
        print(f"{{type(error).__name__}}: {{error}}")
"""


def get(printed, name, absent=()):
    """The name of the runtime, or the error; the absent modules cannot be imported."""
    return printed(GET.format(name=name, absent=absent))


def test_the_shipped_runtimes_come_first():
    assert runtime_names()[:2] == ("ort-cpu", "tflite")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownRuntimeError, match="there is no runtime 'onyx'; available: ort-cpu, tflite"):
        get_runtime("onyx")


def test_nothing_is_imported_before_it_is_asked_for(printed, install):
    install("costly", "raise SystemExit('imported')", costly="costly:Runtime")
    heavy = {"onnxruntime", "ai_edge_litert", "tensorflow", "costly"}
    listed = f"print(runtime_names(), sorted({heavy} & sys.modules.keys()))"
    output = printed(
        f"import sys, crossrt.runtimes.protocol\nfrom crossrt.runtimes.registry import runtime_names\n{listed}"
    )
    assert output.endswith("'costly') []")


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("ort-cpu", "onnxruntime", "onnxruntime"),
        ("tflite", "ai_edge_litert", "ai-edge-litert"),
        ("tract", "tract", "tract"),
        ("keras", "keras", "keras"),
    ],
)
def test_a_missing_package_gives_its_install_command(printed, name, module, package):
    output = get(printed, name, absent=[module])
    assert output == f"RuntimeNotInstalledError: {package} is not installed: {install_command(package)}"


def test_keras_without_tensorflow_says_that_tensorflow_is_missing(printed, install):
    install("keras", "")
    output = get(printed, "keras", absent=["tensorflow"])
    assert output == f"RuntimeNotInstalledError: {TENSORFLOW} is not installed: {install_command(TENSORFLOW)}"


def test_keras_runs_only_where_it_is_named():
    assert "keras" in runtime_names()
    assert "keras" not in default_runtime_names()


def test_a_package_that_lacks_another_one_names_that_one(printed, install):
    install("onnxruntime", "import coloredlogs_of_nowhere")
    expected = "RuntimeBrokenError: ort-cpu needs the module coloredlogs_of_nowhere, which is not installed"
    assert get(printed, "ort-cpu") == expected


def test_a_package_that_fails_to_import_shows_its_own_error(printed, install):
    install("onnxruntime", "raise ImportError('libfoo.so.1: cannot open shared object file')")
    output = get(printed, "ort-cpu")
    assert output.startswith("RuntimeBrokenError: ort-cpu is installed and cannot be imported")
    assert "libfoo.so.1: cannot open shared object file" in output


def test_a_package_that_lost_a_part_of_itself_is_broken(printed, install):
    install("onnxruntime", "import onnxruntime.capi")
    output = get(printed, "ort-cpu")
    assert output.startswith("RuntimeBrokenError: ")
    assert "onnxruntime.capi" in output


def test_other_packages_runtimes_are_listed_by_name(printed, install):
    install("zoo", "", zebra="zoo:Zebra", ape="zoo:Ape")
    listed = printed("from crossrt.runtimes.registry import runtime_names\nprint(*runtime_names())")
    assert listed.split()[-2:] == ["ape", "zebra"]


@pytest.mark.parametrize("target", ["Runtime", "make", "instance"])
def test_an_entry_point_names_a_class_a_function_or_an_object(printed, install, target):
    source = """
        class Runtime:
            name = "mine"

        def make():
            return Runtime()

        instance = Runtime()
    """
    install("own", source, mine=f"own:{target}")
    assert get(printed, "mine") == "mine"


def test_an_entry_point_without_its_module_names_the_module(printed, install):
    install("own", "", mine="gone.runtime:Runtime")
    assert get(printed, "mine") == "RuntimeBrokenError: mine needs the module gone, which is not installed"


def test_an_entry_point_without_its_object_shows_the_error(printed, install):
    install("own", "", mine="own:Runtime")
    output = get(printed, "mine")
    assert output.startswith("RuntimeBrokenError: ")
    assert "AttributeError: module 'own' has no attribute 'Runtime'" in output


def test_an_entry_point_whose_module_fails_shows_the_error(printed, install):
    install("own", "raise ValueError('no such device')", mine="own:Runtime")
    output = get(printed, "mine")
    assert output.startswith("RuntimeBrokenError: ")
    assert "ValueError: no such device" in output


@pytest.mark.parametrize(
    "error", ["ValueError('no such device')", "ModuleNotFoundError('no such device', name='cuda')"]
)
def test_an_entry_point_whose_function_fails_shows_the_error(printed, install, error):
    install("own", f"def make():\n    raise {error}\n", mine="own:make")
    output = get(printed, "mine")
    assert output.startswith("RuntimeBrokenError: ")
    assert error.partition("(")[0] in output or "cuda" in output


NAMES = """
    from crossrt.core.errors import PluginError
    from crossrt.runtimes.registry import runtime_names
    try:
        print(*runtime_names())
    except PluginError as error:
        print(error)
"""


def test_two_plug_ins_with_one_name_are_both_named(printed, install):
    for package in ("here", "there"):
        install(package, "raise SystemExit('imported')", mine=f"{package}:Runtime")
    message = "two plug-ins of crossrt.runtimes are called 'mine': here:Runtime and there:Runtime; uninstall one"
    assert printed(NAMES) == message
    assert get(printed, "mine") == f"PluginError: {message}"


def test_a_shipped_name_cannot_be_taken_over(printed, install):
    install("own", "raise SystemExit('imported')", tflite="own:Runtime")
    assert printed(NAMES) == (
        "the plug-in own:Runtime of crossrt.runtimes has the name 'tflite' of a runtime that ships with crossrt;"
        " uninstall its package"
    )
    assert get(printed, "tflite") == "tflite"


def test_an_optional_runtime_that_is_missing_is_left_out_where_none_is_named(monkeypatch):
    from crossrt.runtimes import registry

    monkeypatch.setattr(registry, "find_spec", lambda _: None)
    assert registry.default_runtime_names()[:2] == ("ort-cpu", "tflite")
    assert "openvino" in registry.runtime_names()
    assert "openvino" not in registry.default_runtime_names()
