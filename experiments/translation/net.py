"""From the options of `translate` to its net."""

from experiments.training.cell_options import make_cell
from nets.seq2seq import (
    BidirectionalEncoder,
    ContextDecoder,
    ConvolutionalEncoder,
    GlobalDecoder,
    RecurrentEncoder,
    SearchDecoder,
    Seq2Seq,
    StateDecoder,
)

FORMS = {
    "sutskever": "the encoder's last state is the decoder's first",
    "cho": "the encoder's last state is given at every step",
    "kalchbrenner": "a convolutional encoder's vector is given at every step",
    "bahdanau": "attention before each step, bidirectional encoder",
    "luong": "attention after each step, bidirectional encoder",
}
ONE_LAYER = ("cho", "kalchbrenner", "bahdanau")


def make_model(config, sources: int, targets: int) -> Seq2Seq:
    """The net of `--form` for so many source and target words."""
    cell, form = make_cell(config), config.form
    cells = (cell,) * config.layers
    if form in ("bahdanau", "luong"):
        encoder = BidirectionalEncoder(cells)
    elif form == "kalchbrenner":
        encoder = ConvolutionalEncoder(config.embedding)
    else:
        encoder = RecurrentEncoder(cells)
    decoder = {
        "sutskever": lambda: StateDecoder(cells),
        "cho": lambda: ContextDecoder(cell, "tanh" if config.bridge else "v"),
        "kalchbrenner": lambda: ContextDecoder(cell, "zero", deep=False),
        "bahdanau": lambda: SearchDecoder(cell, config.hidden),
        "luong": lambda: GlobalDecoder(cells),
    }[form]()
    return Seq2Seq(
        encoder, decoder, sources, targets, config.embedding, config.maxout, config.dropout
    )
