"""The command line: a table of verbs, and how errors become exit codes. Nothing else.

Targets are texts, imported when a verb is used; so ``caig`` offers what other packages do without
importing them, and ``caig --help`` stays fast.

Exit codes: 0 done; 1 a bug (traceback); 2 usage, configuration or data; 3, 4 or 5 a gate that does
not ship; 130 interrupted.
"""

import sys
from collections.abc import Collection, Sequence

from cyclopts import App

from caig import text, version
from caig.errors import CaigError, PrerequisiteError

VERBS = {  # verb: (target, one-line help)
    "make-data": (
        "reference_models.commands:make_data",
        "Draw the shop world: products, ads of known CTR, and a week of traffic with its truth.",
    ),
    "ingest": (
        "caig.data.commands:ingest",
        "Read a log of ads (CreativeRanking, images with counts, headline tests) into a run.",
    ),
    "pairs": (
        "caig.data.commands:pairs",
        "Pairs of ads of one product, labelled by their clicks, split by product.",
    ),
    "train-baseline": (
        "reference_models.baselines_commands:train_baseline",
        "Train a baseline on ads and their clicks: VAM or CG4CTR on pictures, or on headlines.",
    ),
    "pretrain": (
        "caig.mllm.commands:pretrain",
        "Pre-train a multimodal language model on products and their ads.",
    ),
    "train-rm": (
        "caig.reward.commands:train",
        "Train the reward model, which says which of two ads of one product is clicked more.",
    ),
    "score": (
        "caig.reward.commands:score",
        "Score pairs of ads by a reward model, a baseline, a ruler or a model behind an API.",
    ),
    "sample": (
        "caig.preference.commands:sample",
        "Sample background prompts for products from a prompt model.",
    ),
    "cut-out": (
        "caig.generation.commands:cut_out",
        "Cut products out of their pictures, with a score for every mask.",
    ),
    "generate": (
        "caig.generation.commands:generate",
        "Paint ads: a background from a prompt around every product.",
    ),
    "build-reference": (
        "reference_models.diffusion.commands:build_reference",
        "Train the shop world's own diffusion pipeline from nothing, and measure it.",
    ),
    "align": (
        "caig.preference.commands:align",
        "Align a prompt model with clicks by DPO or PCPO: sample, paint, compare, train.",
    ),
    "sheets": (
        "caig.preference.commands:sheets",
        "The same products under several alignments' prompts, side by side, epoch by epoch.",
    ),
    "study": (
        "caig.study.commands:study",
        "Compare ways of aligning: arms by judges by seeds, learning rates chosen beforehand.",
    ),
    "experiment": (
        "reference_models.experiment_commands:experiment",
        "A week in the shop world: each arm shows the ads of one generator; lift beside truth.",
    ),
    "lift": ("abtest.commands:lift", "Per-category CTR lift from an impression log."),
    "cube": (
        "abtest.cubes.commands:cube",
        "Lifts of any days and category groups from stored cubes, at once.",
    ),
    "simulate": (
        "abtest.simulation.commands:simulate",
        "Error rates, coverage and power of the whole analysis, on traffic of known truth.",
    ),
    "plan": (
        "abtest.planning.commands:plan",
        "Power, detectable lift and days of an experiment to come.",
    ),
    "judge": (
        "evaluation.judge.commands:judge",
        "Ask a multimodal model whether ads' backgrounds suit their products: yes, no or unknown.",
    ),
    "evaluate": (
        "evaluation.commands:evaluate",
        "Accuracy of pair scorers beside what could be known; side bias, calibration, comparisons.",
    ),
    "gate": (
        "evaluation.gate.commands:gate",
        "Ship, review or reject: a policy's checks over evidence; exit 3, 4 or 5 unless ship.",
    ),
    "dashboard": ("dashboards.commands:serve", "Open the review dashboards on a runs folder."),
    "demo": ("caig.demo:run", "All of the above on a simulated shop; some minutes on two cores."),
    "runs": ("caig.runs.commands:app", "List runs; show lineage; verify checksums."),
}


def build_app(*, described: Collection[str] = ()) -> App:
    """The command line.

    Args:
        described: Verbs whose help is their own docstring. The others have their one line, which
            costs no import.
    """
    app = App(
        name="caig",
        help="Decide which generated ad images go live, and measure what they did once live.",
        version=version,
        help_format="markdown",
        suppress_keyboard_interrupt=False,  # `run` answers it
    )
    for verb, (target, summary) in VERBS.items():
        if verb in described:
            app.command(target, name=verb)
        else:
            app.command(target, name=verb, help=summary)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and exit.

    Args:
        arguments: Words after ``caig``; those of the process by default.
    """
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: list[str]) -> int:
    """Run one verb.

    Returns:
        Exit code.
    """
    app = build_app(described=arguments[:1])
    try:
        outcome = app(arguments, exit_on_error=True, result_action="return_value")
    except CaigError as error:
        sys.stdout.flush()
        # A message may quote names from a file; its own line breaks are kept.
        lines = "\n".join(text.printable(line) for line in str(error).split("\n"))
        print(f"caig {arguments[0]}: {lines}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        missing = PrerequisiteError.from_missing(f"caig {arguments[0]}", error.name or "")
        if missing is None:
            raise
        print(missing, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return outcome if isinstance(outcome, int) else 0
