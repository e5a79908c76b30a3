"""The translation workloads in PyTorch: its own GRU layers, attention with batched products.

The net, loss, update and beam search are the same as ours.
"""

import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from data.vocabulary import BEGIN, END
from experiments.speed.torch_steps import serve_step, training_step
from experiments.speed.translate import BEAM, STEPS, TRAINING, example_batch, preset

PADDING = -100  # the target that cross_entropy ignores


class Net(nn.Module):
    """A bidirectional GRU encoder, a GRU decoder, and Luong's attention without input feeding."""

    def __init__(self, config):
        super().__init__()
        words, width, hidden = config.vocabulary, config.embedding, config.hidden
        self.source, self.target = nn.Embedding(words, width), nn.Embedding(words, width)
        self.encoder = nn.GRU(width, hidden, bidirectional=True)
        self.first = nn.Linear(2 * hidden, hidden)
        self.decoder = nn.GRU(width, hidden)
        self.score = nn.Linear(2 * hidden, hidden, bias=False)
        self.combine = nn.Linear(3 * hidden, hidden)
        self.out = nn.Linear(hidden, words)
        self.drop = nn.Dropout(config.dropout)
        self.smoothing = config.label_smoothing

    def encode(self, source, lengths):
        """From source [B, S] to the attention's inputs and the decoder's first state [1, B, H]."""
        packed = pack_padded_sequence(
            self.drop(self.source(source.T)), lengths, enforce_sorted=False
        )
        states, last = self.encoder(packed)
        states, _ = pad_packed_sequence(states, total_length=source.shape[1])
        states = states.transpose(0, 1)
        mask = torch.arange(source.shape[1]) < lengths[:, None]
        first = torch.tanh(self.first(torch.cat([last[0], last[1]], -1)))
        return (states, self.score(states), mask), first[None]

    def decode(self, memory, carry, ys):
        """From target words [B, T] to logits [B, T, V] and the last carry."""
        states, keys, mask = memory
        hs, carry = self.decoder(self.drop(self.target(ys.T)), carry)
        hs = hs.transpose(0, 1)
        scores = (hs @ keys.transpose(1, 2)).masked_fill(~mask[:, None], -1e30)
        both = torch.cat([scores.softmax(-1) @ states, hs], -1)
        return self.out(self.drop(torch.tanh(self.combine(both)))), carry

    def forward(self, source, target, lengths):
        """The mean cross entropy, with label smoothing, over the words that are not padding."""
        memory, carry = self.encode(source, lengths)
        logits, _ = self.decode(memory, carry, target[:, :-1])
        wanted = target[:, 1:].masked_fill(
            torch.arange(target.shape[1] - 1) >= lengths[:, None], PADDING
        )
        return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PADDING,
                               label_smoothing=self.smoothing)  # fmt: skip

    @torch.inference_mode()
    def search(self, source, lengths, beam=BEAM, steps=STEPS):
        """The best sequence for each source, int [B, steps], and its log-probability per word."""
        count, words = len(source), self.out.out_features
        memory, carry = self.encode(source, lengths)
        memory = [x.repeat_interleave(beam, 0) for x in memory]
        carry = carry.repeat_interleave(beam, 1)
        last = torch.full((count * beam, 1), BEGIN)
        log_p = torch.full((count, beam), -torch.inf)
        log_p[:, 0] = 0
        done = torch.zeros(count, beam, dtype=torch.bool)
        symbols = torch.full((count, beam, steps), END)
        lengths = torch.zeros(count, beam)
        base = torch.arange(count)[:, None] * beam
        for t in range(steps):
            logits, carry = self.decode(memory, carry, last)
            new = log_p[..., None] + logits[:, 0].log_softmax(-1).view(count, beam, words)
            if t + 1 == steps:
                ended = new[..., END].clone()
                new[:] = -torch.inf
                new[..., END] = ended
            new[done] = -torch.inf
            new[..., END] = torch.where(done, torch.inf, new[..., END])
            best, chosen = new.view(count, -1).topk(beam)
            parent, symbol = chosen // words, chosen % words
            was_done = done.gather(1, parent)
            log_p = torch.where(was_done, log_p.gather(1, parent), best)
            symbols = symbols.gather(1, parent[..., None].expand_as(symbols))
            symbols[..., t] = symbol
            lengths = lengths.gather(1, parent) + ~was_done
            done = was_done | (symbol == END)
            rows = (base + parent).view(-1)
            carry, last = carry[:, rows], symbol.view(-1, 1)
            if (done | (log_p == -torch.inf)).all():
                break
        scores, best = (log_p / lengths).max(1)
        return symbols[torch.arange(count), best], scores


def tensors(name: str) -> dict[str, torch.Tensor]:
    """The example batch."""
    return {key: torch.tensor(x).long() for key, x in example_batch(name).items()}


def stepper(form: str, name: str):
    """A function that runs one training step and returns its loss, or one that searches once."""
    config = preset()
    net, batch = Net(config), tensors(name)
    if name != TRAINING:
        net.eval()
        return lambda: net.search(batch["source"], batch["lengths"])[1]
    loss_of = torch.compile(net) if form == "compiled" else net
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate, fused=True)

    def clip():
        nn.utils.clip_grad_norm_(net.parameters(), config.clip_norm)

    return training_step(lambda: loss_of(**batch), optimizer, clip)


if __name__ == "__main__":
    serve_step(lambda: stepper(sys.argv[1], sys.argv[2]))
