"""Every table contract by its identifier; what a manifest may name."""

from caig.contracts.creatives import (
    CREATIVE_PAIRS,
    CREATIVES,
    PAIR_SCORES,
    PREFERENCE_PAIRS,
    PRODUCTS,
    PROMPT_SAMPLES,
)
from caig.contracts.experiments import (
    ARM_SUMMARY,
    HEALTH,
    HETEROGENEITY,
    IMPRESSION_LOG,
    LIFT_DAILY,
    LIFT_TABLE,
    SAMPLE_RATIO,
    SUITE_RESULTS,
    TRAFFIC_TRUTH,
    UNIT_METRICS,
)
from caig.contracts.table import TableContract
from caig.errors import ArtifactError

TABLES: dict[str, TableContract] = {
    contract.identifier: contract
    for contract in (
        PRODUCTS,
        CREATIVES,
        CREATIVE_PAIRS,
        PAIR_SCORES,
        PROMPT_SAMPLES,
        PREFERENCE_PAIRS,
        IMPRESSION_LOG,
        TRAFFIC_TRUTH,
        ARM_SUMMARY,
        LIFT_TABLE,
        HETEROGENEITY,
        UNIT_METRICS,
        LIFT_DAILY,
        HEALTH,
        SAMPLE_RATIO,
        SUITE_RESULTS,
    )
}


def find_contract(identifier: str) -> TableContract:
    """The contract named ``name/major``.

    Raises:
        ArtifactError: No such format, or a major version this release does not know.
    """
    if identifier not in TABLES:
        known = [i for i in TABLES if i.partition("/")[0] == identifier.partition("/")[0]]
        advice = f"this release reads {', '.join(known)}" if known else "no such table format"
        raise ArtifactError(f"unknown table format '{identifier}': {advice}")
    return TABLES[identifier]
