"""Sample sheets of both versions and Picard's parameter files are read; every fault is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.barcode_parameters import is_barcode_parameters, read_barcode_parameters
from genopipe.formats.sample_sheet import SampleSheet, read_sample_sheet

V2 = """[Header],,
FileFormatVersion,2,
[BCLConvert_Settings],,
SoftwareVersion,4.1.7,
AdapterRead1,AGATCGG,
NoLaneSplitting,true,
[BCLConvert_Data],,
Lane,Sample_ID,Index,Index2,OverrideCycles,BarcodeMismatchesIndex1,BarcodeMismatchesIndex2
1,S1,ACGTACGT,TTTTGGGG,Y10;I8;I8;Y10,1,0
2,S1,ACGTACGT,,Y10;I8;N8;Y10,1,na
"""


def sheet(folder: Path, text: str) -> SampleSheet:
    (folder / "s.csv").write_text(text)
    return read_sample_sheet(folder / "s.csv")


def test_version_2_is_read(tmp_path: Path) -> None:
    read = sheet(tmp_path, V2)
    first, second = read.samples
    assert (first.name, first.lane, first.indexes, first.mismatches) == ("S1", 1, ("ACGTACGT", "TTTTGGGG"), (1, 0))
    assert (second.lane, second.indexes, second.mismatches, second.override_cycles) == (2, ("ACGTACGT", ""), (1, None), "Y10;I8;N8;Y10")
    assert read.settings == {"adapterread1": "AGATCGG", "nolanesplitting": "true"}
    assert (read.setting_line["nolanesplitting"], second.line) == (6, 10)


def test_version_1_is_read_with_any_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = '\ufeff[Header]\n[Settings]\nAdapter,ACGT\n[Data]\nFCID,Lane,SampleID,index,index2,"Name, long"\nFC,1,A_1,acgt,NNNN,x\n'
    read = sheet(tmp_path, text.replace("\n", "\r\n"))
    assert (read.flowcell, read.flowcell_line) == ("FC", 6)
    assert read.samples[0].indexes == ("ACGT", "NNNN")
    assert read.settings == {"adapterread1": "ACGT"}


def test_every_sheet_of_real_runs_is_read_or_names_its_fault(data: Path) -> None:
    faults = []
    for path in sorted((data / "run_folders" / "metadata").rglob("*heet*.csv")):
        try:
            assert read_sample_sheet(path).samples
        except BadInput as error:
            faults.append((path.parent.name, error.line, error.came))
    assert faults == [("211101_A00187_0615_AHLG5GDRZZ", 18, "ACC8898A44 has the barcode of ACC8898A46 (line 17), TTGAATAG+GTTATGGA")]


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("a,b\n", 1, "'a,b' before any section"),
        ("[Data\nSample_ID\nS\n", 1, "begins no section"),
        ("[Data]\n[Data]\n", 2, "or one for the second time"),
        ("[Header]\n", None, "no section .Data. and no"),
        ("[Data]\n\n", None, "section .data. is empty"),
        ("[Data]\nLane,index\n1,A\n", 2, "no column Sample_ID among Lane, index"),
        ("[Data]\nSample_ID,Sample ID\nA,B\n", 2, "the column Sample ID stands twice"),
        ("[Data]\nSample_ID\n", 2, "no sample"),
        ("[Data]\nSample_ID,index\nS 1,ACGT\n", 3, "the sample name 'S 1' is not allowed"),
        ("[Data]\nSample_ID,index\nS/1,ACGT\n", 3, "the sample name 'S/1' is not allowed"),
        ("[Data]\nSample_ID,index\nundetermined,ACGT\n", 3, "a sample called undetermined"),
        ("[Data]\nSample_ID,index\nS1,ACXT\n", 3, "index 'ACXT'; wanted A, C, G, T"),
        ("[Data]\nLane,Sample_ID\n0,S1\n", 3, "lane '0'; wanted the number of a lane"),
        ("[Data]\nLane,Sample_ID\none,S1\n", 3, "lane 'one'"),
        ("[Data]\nSample_ID,index\nS1,ACGT\nS1,TTTT\n", 4, r"sample S1 for the second time \(line 3\)"),
        ("[Data]\nLane,Sample_ID,index\n1,S1,ACGT\n1,S1,TTTT\n", 4, r"sample S1 of lane 1 for the second time \(line 3\)"),
        ("[Data]\nSample_ID,index\nS1,ACGT\nS2,ACGT\n", 4, r"S2 has the barcode of S1 \(line 3\), ACGT"),
        ("[Data]\nSample_ID,index\nS1,ACGT,more\n", 3, "3 values for 2 columns"),
        ("[Data]\nFCID,Sample_ID,index\nA,S1,ACGT\nB,S2,TTTT\n", 4, "flow cell B after A in line 3"),
        ('[Data]\nSample_ID,index\n"S1,ACGT\n', 3, "no CSV"),
        ("[Settings]\nAdapter,A\nTrimAdapter,C\n[Data]\nSample_ID\nS\n", 3, r"TrimAdapter is set again \(line 2\)"),
        ("[Header];;\nFileFormatVersion;2;\n", 1, "semicolons between the values; wanted commas"),
        ("[Settings]\nOverideCycles,Y9\n[Data]\nSample_ID\nS\n", 2, r"unknown setting OverideCycles.* Did you mean OverrideCycles\?"),
        (V2.replace(",1,0\n", ",3,0\n"), 9, "'3' barcode mismatches; wanted 0, 1 or 2"),
    ],
)
def test_every_fault_of_a_sheet_is_named_with_its_line(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        sheet(tmp_path, text)
    assert caught.value.line == line


def test_a_setting_that_is_not_followed_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sheet(tmp_path, V2.replace("AdapterRead1,", "FindAdaptersWithIndels,"))
    assert "s.csv:5: the setting FindAdaptersWithIndels is not followed" in caplog.text


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60)
    | st.builds(
        lambda at, n, new: (V2[:at] + new + V2[at + n :]).encode(),
        st.integers(0, 400),
        st.integers(0, 20),
        st.text('ab,"\n[]\r\x00é', max_size=4),
    )
)
def test_any_bytes_are_a_sheet_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.csv").write_bytes(content)
    for read in (read_sample_sheet, read_barcode_parameters):
        try:
            read(tmp_path / "s.csv")
        except BadInput as error:
            assert "s.csv" in str(error)


def parameters(folder: Path, text: str) -> SampleSheet:
    (folder / "p.params").write_text(text)
    return read_barcode_parameters(folder / "p.params")


def test_picards_files_are_read_in_all_their_forms(data: Path) -> None:
    kits = data / "run_folders"
    paths = [*kits.rglob("*.params"), *kits.rglob("barcodeData.1")]
    assert len(paths) > 10
    for path in paths:
        assert is_barcode_parameters(path)
        read = read_barcode_parameters(path)
        assert read.by_picard
        assert all(sample.indexes[0] for sample in read.samples)
    assert not is_barcode_parameters(next(kits.rglob("SampleSheet.csv")))


def test_the_row_of_n_is_the_rest(tmp_path: Path) -> None:
    read = parameters(tmp_path, "BARCODE_1\tSAMPLE_ALIAS\tLIBRARY_NAME\nACGT\tS1\tL1 \nN\tSA_N\tL2\n")
    assert [(sample.name, sample.indexes, sample.library) for sample in read.samples] == [("S1", ("ACGT",), "L1")]


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("", 1, "columns ; wanted BARCODE_1"),
        ("BARCODE_1\tNAME\nA\tS\n", 1, "columns barcode_1, name; wanted BARCODE_1 and SAMPLE_ALIAS"),
        ("BARCODE_1\tSAMPLE_ALIAS\nA\n", 2, "1 values for 2 columns"),
        ("BARCODE_1\tSAMPLE_ALIAS\nAX\tS\n", 2, "index 'AX'"),
        ("BARCODE_1\tSAMPLE_ALIAS\nAC\tS 1\n", 2, "the sample name 'S 1' is not allowed"),
        ("BARCODE_1\tSAMPLE_ALIAS\nAC\tS\nAC\tT\n", 3, "T has the barcode of S"),
        ("BARCODE_1\tSAMPLE_ALIAS\nN\tS\n", None, "no sample with a barcode"),
    ],
)
def test_every_fault_of_a_parameter_file_is_named(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        parameters(tmp_path, text)
    assert caught.value.line == line
