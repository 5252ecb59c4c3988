"""The report as one JSON object: every sentence and every row, for programs."""

from abtest.config import LiftConfig
from abtest.lift import LiftResult
from abtest.reporting.report import ReportFacts
from abtest.reporting.summary import category_sentence, summarise
from caig.contracts.cubes import CUBE
from caig.contracts.records import LiftContrast, LiftReport


def lift_report(result: LiftResult, config: LiftConfig, facts: ReportFacts) -> LiftReport:
    """The report as ``lift_report/1``.

    Args:
        result: A lift analysis.
        config: Configuration it was made with.
        facts: What a report says besides.
    """
    return LiftReport(
        run_id=facts.run_id,
        made_at=facts.made_at,
        n_rows=facts.n_rows,
        n_rows_quarantined=facts.n_quarantined,
        files=tuple(facts.files),
        config=config.model_dump(mode="json"),
        contrasts=tuple(
            LiftContrast(
                experiment_id=summary.experiment,
                contrast=summary.contrast,
                verdict=summary.overall["verdict"],
                headline=summary.headline,
                notes=summary.notes,
                categories=tuple(category_sentence(row) for row in summary.categories),
            )
            for summary in summarise(result)
        ),
        tables={
            name: table.to_dicts()
            for name, table in result.tables().items()
            if name != CUBE.identifier  # hundreds of thousands of rows, for programs of its own
        },
    )
