"""Clean text: the one form in which every text reaches an encoder, a cache key or a segmenter.

The native tokenizers behind the encoders are not robust to everything Unicode allows: a NUL ends
the text silently, one code point that expands to eighteen overruns a buffer, a lone surrogate
cannot be written as UTF-8 at all.  What ``clean_text`` returns contains none of these.
"""

import re
import unicodedata

# General category Cf (format: zero-width, bidirectional marks, tags) of Unicode 14, the variation
# selectors and the combining grapheme joiner: characters that draw nothing but change the tokens.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U00013438\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f\U000e0100-\U000e01ef]+"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Return ``text`` in the one form the rest of the package works on.

    Steps: lone surrogates become U+FFFD, control characters (NUL, tabs, line breaks) become a
    space, invisible characters are removed, NFKC (full-width to half-width, ``²`` to ``2``, ``℃``
    to ``°C``), and runs of white space become one space, none at the ends.  Idempotent.  The
    result can be longer than the input (NFKC expands some code points up to 18 times).
    """
    without_controls = _CONTROL.sub(" ", _SURROGATE.sub("\ufffd", text))
    # Removal comes before NFKC: an invisible character between a letter and its accent would
    # otherwise leave a pair that a second pass composes.
    normal = unicodedata.normalize("NFKC", _INVISIBLE.sub("", without_controls))
    return " ".join(normal.split())


def truncate(text: str, max_characters: int) -> str:
    """Return at most the first ``max_characters`` code points of ``text``, no space at the end.

    Raises ``ValueError`` if ``max_characters`` is negative.
    """
    if max_characters < 0:
        raise ValueError("max_characters must not be negative")
    return text[:max_characters].rstrip()
