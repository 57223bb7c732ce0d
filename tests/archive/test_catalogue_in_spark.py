"""The catalogue's Parquet is read by Spark as it is: the example of docs/archive.md, in local mode."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from genopipe.archive.representations import PutOptions
from genopipe.cases.keep import keep

ROOT = Path(__file__).resolve().parent.parent.parent
HEAD = '##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n'
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\tS3\n"
RECORDS = "1\t100\t.\tA\tG\t50\tPASS\t.\tGT\t0/1\t0/1\t1/1\n2\t9\t.\tC\tT\t50\tPASS\t.\tGT\t0/1\t0/0\t0/0\n"


def test_spark_runs_the_documented_example(tmp_path: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("no Java, which Spark needs")
    pytest.importorskip("pyspark", reason="no pyspark: pip install pyspark")
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import countDistinct

    (tmp_path / "a.vcf").write_text(HEAD + COLUMNS + RECORDS)
    keep(tmp_path / "A", [tmp_path / "a.vcf"], PutOptions())
    example = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "archive.md").read_text(), re.DOTALL)
    assert example is not None
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    try:
        names = {"spark": spark, "countDistinct": countDistinct}
        exec(example[1].replace('"A/', f'"{tmp_path}/A/'), names)
        rare = {(row.contig, row.position, row.ref, row.alt, row.carriers) for row in names["rare"].collect()}  # type: ignore[attr-defined]
        bins = {row.bin for row in names["variants"].select("bin").collect()}  # type: ignore[attr-defined]
    finally:
        spark.stop()
    assert rare == {("2", 8, "C", "T", 1)}
    assert bins == {"1_0", "2_0"}
