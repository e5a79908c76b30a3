"""The quality of translations: BLEU by sacrebleu, and exact matches."""

import logging
import re
from collections.abc import Sequence

from sacrebleu.metrics import BLEU

from data.errors import UserError

TOKENIZERS = ("auto", "13a", "zh", "char", "intl", "none", "ja-mecab", "ko-mecab")  # sacrebleu's
_CHINESE = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Kana, Thai, Lao, Tibetan, Burmese, Khmer: other scripts written without spaces.
_OTHERS_WITHOUT_SPACES = re.compile(
    "[\u3040-\u30ff\uff66-\uff9f\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]"
)


class _Once(logging.Filter):
    """Passes a message once: BLEU is computed cased and lower-cased, and of parts of the data."""

    def __init__(self):
        super().__init__()
        self.seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        new = message not in self.seen
        self.seen.add(message)
        return new


logging.getLogger("sacrebleu").addFilter(_Once())


def tokenizer_for(config, references: Sequence[str]) -> str:
    """sacrebleu's tokenizer: the one that `--bleu_tokenizer` names, or `auto` by the script.

    Where words are not separated by spaces, 13a finds hardly any, so `auto` compares characters,
    by sacrebleu's own rule if the text is Chinese.

    Raises:
      UserError: the tokenizer's own package is not installed.
    """
    if config.bleu_tokenizer == "auto":
        return _by_script(references)
    try:
        BLEU(tokenize=config.bleu_tokenizer)
    except RuntimeError:
        extra = config.bleu_tokenizer.partition("-")[0]
        raise UserError(
            f"--bleu_tokenizer={config.bleu_tokenizer} needs a package of its own: run "
            f".venv/bin/python -m pip install 'sacrebleu[{extra}]', or choose another."
        ) from None
    return config.bleu_tokenizer


def _by_script(references: Sequence[str]) -> str:
    text = "".join(references)
    chinese, others = (len(script.findall(text)) for script in (_CHINESE, _OTHERS_WITHOUT_SPACES))
    if chinese + others > sum(map(str.isalpha, text)) / 2:
        return "zh" if chinese > 20 * others else "char"  # Japanese text is rarely without kana
    return "13a" if any(" " in line for line in references) else "char"


def _bleu(config, lowercase: bool) -> BLEU:
    return BLEU(lowercase=lowercase, tokenize=config.bleu_tokenizer)


def scores(config, translations: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """`exact_match_percent`, `bleu` and `bleu_lowercased`; the main one first.

    `config.bleu_tokenizer` is what `tokenizer_for` returns.
    """
    exact = sum(a == b for a, b in zip(translations, references, strict=True))
    exact = {"exact_match_percent": 100 * exact / len(references)}
    bleu = {
        name: _bleu(config, lowercase).corpus_score(translations, [references]).score
        for name, lowercase in (("bleu", False), ("bleu_lowercased", True))
    }
    return exact | bleu if config.target_unit == "characters" else bleu | exact


def signatures(config) -> list[str]:
    """sacrebleu's signatures: how each BLEU was computed."""
    measures = [_bleu(config, lowercase) for lowercase in (False, True)]
    for measure in measures:
        measure.corpus_score(["a"], [["a"]])  # a signature needs the number of references
    return [str(measure.get_signature()) for measure in measures]
