"""Tables, charts and pages of a comparison between FINN's pair and IMECConv."""

from finn_imec.report.chart import comparison_chart
from finn_imec.report.table import comparison_table

__all__ = ["comparison_chart", "comparison_table"]
