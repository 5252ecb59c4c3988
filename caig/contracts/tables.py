"""Every table contract by its identifier; what a manifest may name."""

from caig.contracts.categories import (
    CATEGORY_INTERVALS,
    CATEGORY_POSTERIOR,
    JOINT_HETEROGENEITY,
    SELECTED_LIFTS,
    TOP_CATEGORIES,
)
from caig.contracts.creative_effects import CREATIVE_DRIVERS, CREATIVE_EFFECTS, IMAGE_TESTS
from caig.contracts.creatives import (
    CAPTIONS,
    CLICK_PRIOR,
    CREATIVE_COUNTS,
    CREATIVE_DAYS,
    CREATIVE_PAIRS,
    CREATIVES,
    CUTOUTS,
    LEFT_OUT,
    PAIR_SCORES,
    PRODUCTS,
    PROMPTS,
)
from caig.contracts.cubes import CUBE, CUBE_LIFTS
from caig.contracts.evaluations import (
    POSITION_BIAS,
    RELIABILITY,
    SCORER_COMPARISONS,
    SCORER_COUNTS,
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
from caig.contracts.gates import ITEM_SCORES
from caig.contracts.headlines import HEADLINES
from caig.contracts.health import AA_TEST, BOT_LIKE_UNITS, SEQUENTIAL_RATIO
from caig.contracts.intervals import LIFT_INTERVALS
from caig.contracts.judgements import JUDGEMENTS
from caig.contracts.looks import DAY_EFFECTS, LIFT_BY_DAY, LOOKS
from caig.contracts.online import ONLINE_ADS, ONLINE_TRUTH
from caig.contracts.overall import (
    ADJUSTED_LIFTS,
    ARM_COMPARISON,
    GUARDRAILS,
    MIX_SHIFT,
    OVERALL_LIFTS,
    STRATIFIED_TESTS,
)
from caig.contracts.plans import PLAN, POWER_CURVE
from caig.contracts.preferences import ALIGNMENT_CURVES, PREFERENCE_PAIRS, PROMPT_SAMPLES
from caig.contracts.simulations import ERROR_RATES
from caig.contracts.studies import STUDY_ESTIMATES, STUDY_FIGURES
from caig.contracts.table import TableContract
from caig.contracts.worlds import CREATIVE_TRUTH, PROMPT_READINGS, SCENE_SUITABILITY
from caig.errors import ArtifactError

TABLES: dict[str, TableContract] = {
    contract.identifier: contract
    for contract in (
        PRODUCTS,
        CREATIVES,
        HEADLINES,
        CAPTIONS,
        CREATIVE_COUNTS,
        CREATIVE_DAYS,
        LEFT_OUT,
        CLICK_PRIOR,
        CREATIVE_PAIRS,
        PAIR_SCORES,
        PROMPT_SAMPLES,
        PROMPTS,
        CUTOUTS,
        PREFERENCE_PAIRS,
        ALIGNMENT_CURVES,
        STUDY_FIGURES,
        STUDY_ESTIMATES,
        IMPRESSION_LOG,
        TRAFFIC_TRUTH,
        CREATIVE_TRUTH,
        SCENE_SUITABILITY,
        PROMPT_READINGS,
        ONLINE_ADS,
        ONLINE_TRUTH,
        ARM_SUMMARY,
        LIFT_TABLE,
        HETEROGENEITY,
        UNIT_METRICS,
        CATEGORY_INTERVALS,
        CATEGORY_POSTERIOR,
        SELECTED_LIFTS,
        TOP_CATEGORIES,
        JOINT_HETEROGENEITY,
        LIFT_INTERVALS,
        LIFT_DAILY,
        LOOKS,
        LIFT_BY_DAY,
        DAY_EFFECTS,
        HEALTH,
        SAMPLE_RATIO,
        SEQUENTIAL_RATIO,
        BOT_LIKE_UNITS,
        AA_TEST,
        CREATIVE_EFFECTS,
        IMAGE_TESTS,
        CREATIVE_DRIVERS,
        PLAN,
        POWER_CURVE,
        SUITE_RESULTS,
        ITEM_SCORES,
        SCORER_COUNTS,
        POSITION_BIAS,
        RELIABILITY,
        SCORER_COMPARISONS,
        JUDGEMENTS,
        ERROR_RATES,
        CUBE,
        CUBE_LIFTS,
        OVERALL_LIFTS,
        MIX_SHIFT,
        ADJUSTED_LIFTS,
        GUARDRAILS,
        ARM_COMPARISON,
        STRATIFIED_TESTS,
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
