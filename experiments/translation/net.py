"""The net of a translator, as its options describe it."""

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
    "sutskever": "the encoder's last state is the decoder's initial state",
    "cho": "the encoder's last state is an input of every decoder step",
    "kalchbrenner": "the vector of a convolutional encoder is an input of every decoder step",
    "bahdanau": "attention before each step, bidirectional encoder",
    "luong": "attention after each step, bidirectional encoder",
}
ONE_LAYER = ("cho", "kalchbrenner", "bahdanau")


def make_model(config, sources: int, targets: int) -> Seq2Seq:
    """The net of `--form` for vocabularies of `sources` and `targets` words."""
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
