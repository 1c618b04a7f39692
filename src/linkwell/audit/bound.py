"""What a random sample says of all: an exact upper confidence bound, and nothing that is only nearly right.

Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26 (1934): the bound
is the largest share under which so few findings, or fewer, still have the chance that is left to error.
"""

import math

_STEPS = 200


def tail(found: int, sampled: int, share: float) -> float:
    """The chance of at most `found` findings among `sampled` draws, each a finding with that chance.

    >>> tail(0, 10, 0.5) == 0.5**10
    True
    """
    if share <= 0.0 or found >= sampled:
        return 1.0
    if share >= 1.0:
        return 0.0
    log_share, log_rest = math.log(share), math.log1p(-share)
    logs = [
        math.lgamma(sampled + 1)
        - math.lgamma(each + 1)
        - math.lgamma(sampled - each + 1)
        + each * log_share
        + (sampled - each) * log_rest
        for each in range(found + 1)
    ]
    highest = max(logs)
    return min(1.0, math.exp(highest + math.log(math.fsum(math.exp(one - highest) for one in logs))))


def upper_share(found: int, sampled: int, confidence: float = 0.95) -> float:
    """The share that is not exceeded with that confidence; 1 where nothing was sampled.

    Args:
        found: findings in the sample, 0 to `sampled`.
        sampled: how many were drawn at random and checked.
        confidence: above 0 and below 1.

    >>> round(upper_share(0, 3_000), 6)  # the rule of three: about 3 / n
    0.000998
    """
    if not 0 <= found <= sampled or not 0 < confidence < 1:
        raise ValueError(f"{found} of {sampled} at {confidence} is no sample")
    if found == sampled:
        return 1.0
    if found == 0:
        return -math.expm1(math.log1p(-confidence) / sampled)
    low, high = found / sampled, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if tail(found, sampled, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def upper_count(found: int, sampled: int, population: int, confidence: float = 0.95) -> int:
    """The number among `population` that is not exceeded with that confidence: those found in the sample, and what the rest may hold.

    Drawn without putting back, which the binomial bound overstates and never understates.
    """
    if sampled >= population:
        return found
    return min(population, max(found, math.ceil(upper_share(found, sampled, confidence) * population)))
