"""Where one city's data lies: a folder with the store, the vector cache, the index and the learned rankers."""

import os
from dataclasses import dataclass
from pathlib import Path

from graph.problems import Refused
from graph.store.store import Store, open_store
from graph.values import Visibility

_ELSEWHERE = "请用 --home 或环境变量 JIEBANG_HOME 指定一个可写的目录。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A data folder; ``store_url`` names a PostgreSQL database to be used in place of the store file."""

    path: Path
    store_url: str | None = None

    @property
    def index(self) -> Path:
        """Where the index generations lie."""
        return self.path / "index"

    def index_for(self, audience: Visibility) -> Path:
        """Where the generations of an audience's index lie; staff's is ``index``."""
        return self.index if audience == "staff" else self.path / f"index-{audience}"

    @property
    def vectors(self) -> Path:
        """The vector cache: what was encoded once is not encoded again."""
        return self.path / "vectors.db"

    @property
    def models(self) -> Path:
        """The versions of learned rankers, and which is in use."""
        return self.path / "models"

    def open_store(self, *, create: bool) -> Store:
        """The store of this home; makes the folder if ``create``.

        Raises ``Refused``: ``home_missing`` where there is nothing yet and ``create`` is false,
        ``home_unwritable`` where the folder cannot be made or written, and whatever the store refuses.
        """
        if create:
            self._make()
        elif self.path.is_file():
            raise Refused("home_unwritable", f"“{self.path}”是文件，不是数据目录。", _ELSEWHERE)
        elif not self.path.is_dir():
            raise Refused(
                "home_missing",
                f"数据目录“{self.path}”还不存在。",
                "请先运行 jiebang init（或 jiebang init --demo 试用样例）。",
            )
        return open_store(self.store_url or self.path / "store.db", create=create)

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.index.mkdir(exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise Refused(
                "home_unwritable", f"“{self.path}”不能作数据目录：这里或上一级已有同名文件。", _ELSEWHERE
            ) from error
        except OSError as error:
            raise Refused(
                "home_unwritable", f"无法建立数据目录“{self.path}”（{error.strerror}）。", _ELSEWHERE
            ) from error
        if not os.access(self.path, os.W_OK):
            raise Refused("home_unwritable", f"数据目录“{self.path}”不可写。", _ELSEWHERE)
