"""PromQL as the boards write it: every selector carries the board's variables, every rate its interval.

So a panel cannot show more than was chosen, and no query rates over too few scrapes.
"""

from __future__ import annotations

ANY_STREAM = 'job=~"$job",instance=~"$instance",provider=~"$provider",model=~"$model"'
ANY_PROCESS = 'job=~"$job",instance=~"$instance"'
ANY_ASKER = 'agent=~"$agent",tenant=~"$tenant"'  # on boards that offer these choices


def of(metric: str, *more: str, process: bool = False) -> str:
    """Return a selector of `llm_stream_<metric>` for what the variables choose, with further matchers."""
    return f"llm_stream_{metric}{{{','.join((ANY_PROCESS if process else ANY_STREAM, *more))}}}"


def rate(selector: str) -> str:
    """Return the per-second rate, over a range that always holds at least four scrapes."""
    return f"rate({selector}[$__rate_interval])"


def gained(selector: str) -> str:
    """Return the increase over the board's time range."""
    return f"increase({selector}[$__range])"


def total(expr: str, *by: str) -> str:
    """Return the sum, by labels."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def share(part: str, whole: str) -> str:
    """Return part of whole; nothing, instead of a division by 0, while there is none."""
    return f"{part} / ({whole} > 0)"


def part_of(part: str, whole: str) -> str:
    """Return the share of something in what it is a part of, so 1 at most.

    `rate` extrapolates each counter by itself, and a part that is nearly all came out at 109 %.
    """
    return f"clamp_max({share(part, whole)}, 1)"


def quantile(q: float, histogram: str, *by: str) -> str:
    """Return the quantile of a histogram, by labels."""
    return f"histogram_quantile({q}, {total(rate(of(histogram + '_bucket')), 'le', *by)})"


def renamed(expr: str, label: str, name: str) -> str:
    """Return the same with another name for a label, so that tables can be merged that both have it."""
    copied = f'label_replace({expr}, "{name}", "$1", "{label}", "(.*)")'
    return f'label_replace({copied}, "{label}", "", "", "")'


def firing_for(*by: str) -> str:
    """Return for how many seconds pages and tickets are firing; of those of a model, the chosen ones."""
    chosen = ",".join(f'{name}=~"${name}|"' for name in ("job", "instance", "provider", "model"))
    alerts = f'alertname=~"LLM.+",severity=~"page|ticket",{chosen}'
    seconds = f"time() - ALERTS_FOR_STATE{{{alerts}}}"
    firing = f'ALERTS{{{alerts},alertstate="firing"}}'
    return f"max by ({', '.join(by)}) ({seconds} and ignoring (alertstate) {firing})"
