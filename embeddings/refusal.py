"""The one way this package says no: a code, a Chinese message and a remedy."""


class IndexRefused(Exception):
    """An encoder or index that cannot be used as it stands; never answered wrongly in silence.

    ``code`` is stable English for programs; ``message`` and ``remedy`` are Chinese for people.
    """

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(f"{message}{remedy}")
        self.code = code
        self.message = message
        self.remedy = remedy
