"""The quality of translations: BLEU by sacrebleu, and exact matches."""

from collections.abc import Sequence

from sacrebleu.metrics import BLEU


def _bleu(config, lowercase: bool) -> BLEU:
    # Text without blanks has no words to count.
    tokenizer = "char" if config.target_unit == "characters" else "13a"
    return BLEU(lowercase=lowercase, tokenize=tokenizer)


def scores(config, translations: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """`exact_match_percent`, `bleu` and `bleu_lowercased`, the most important one first."""
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
