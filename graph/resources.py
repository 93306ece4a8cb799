"""Where the data files that come with the program lie."""

from pathlib import Path

from graph.problems import Refused

_BESIDE_PACKAGES = Path(__file__).resolve().parent.parent


def resource(*parts: str) -> Path:
    """The path of a data file or folder that comes with the program, e.g. ``resource("codes", "x.json")``.

    In an installed wheel data lies in ``jiebang_data`` beside the packages, in a source checkout in
    ``data``. The wheel's folder is looked at first: ``data`` beside installed packages could be anyone's.
    Raises ``Refused`` (``resource_missing``) when it is not there.
    """
    for folder in ("jiebang_data", "data"):
        path = _BESIDE_PACKAGES.joinpath(folder, *parts)
        if path.exists():
            return path
    name = "/".join(parts)
    raise Refused("resource_missing", f"程序自带的数据文件“{name}”不存在。", "请重新安装 jiebang。")
