"""One step of the linear token auction in torch: mixture, `torch.multinomial`, payments."""

import torch


def prepare(bids, log_probs):
    """Return both arrays as tensors."""
    return torch.from_numpy(bids), torch.from_numpy(log_probs)


def linear_step(bids, log_probs):
    """Sell one token in each of many auctions.

    Args:
        bids: `(auction, agent)`.
        log_probs: `(auction, agent, vocab)`.

    Returns:
        Tokens and payments `(auction, agent)`, as NumPy arrays.
    """
    with torch.inference_mode():
        probs = log_probs.exp()
        mixture = torch.bmm(bids[:, None], probs)[:, 0]
        tokens = torch.multinomial(mixture, 1)[:, 0]
        rows = torch.arange(len(bids))
        said = probs[rows, :, tokens]
        total_bids = bids.sum(dim=1)
        heights = torch.rand(len(bids)) * mixture[rows, tokens] / total_bids
        own = torch.eye(bids.shape[1], dtype=torch.bool)
        others = torch.where(own, 0.0, bids[:, None])
        total = others.sum(dim=2)
        rest = torch.einsum("aij,aj->ai", others, said) / total
        height = heights[:, None]
        is_gained = (rest < height) & (height < said)
        gap = torch.where(is_gained, said - height, 1.0)
        paid = torch.where(is_gained, torch.minimum(total * (height - rest) / gap, bids), 0.0)
        return tokens.numpy(), paid.numpy()
