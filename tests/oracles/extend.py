"""The extension kernel, written out cell by cell from its recurrence, and the score of an alignment recounted from its CIGAR."""

from __future__ import annotations

from collections.abc import Sequence

FAR = -(10**6)


def gotoh(read: Sequence[int], window: Sequence[int], *, bonus: int = 5) -> int:
    """Best local score of `read` in `window`, no band: +1/-4 (-1 for an unknown base of the read), gaps -6-1, `bonus` for each end.

    Nothing is aligned to code 6, which lies beyond the contig.
    """
    rows, columns = len(read), len(window)
    h = [bonus] * (columns + 1)
    e = [FAR] * (columns + 1)
    best = 0
    for i in range(rows):
        diagonal, f = h[0], FAR
        h[0] = 0
        for j in range(columns):
            e[j + 1] = max(e[j + 1] - 1, h[j + 1] - 7)
            f = max(f - 1, h[j] - 7)
            same = read[i] == window[j] and read[i] < 4
            d = diagonal + (1 if same else FAR if window[j] == 6 else -1 if read[i] > 3 else -4)
            diagonal, h[j + 1] = h[j + 1], max(0, d, e[j + 1], f)
            best = max(best, h[j + 1] + (bonus if i == rows - 1 else 0))
    return best


def score_of(read: Sequence[int], window: Sequence[int], cigar: Sequence[int], column: int, *, bonus: int = 5) -> int:
    """The score of an alignment, recounted from its CIGAR; `column` is where its first base lies in the window."""
    score, row = 0, 0
    for number, item in enumerate(cigar):
        length, operation = item >> 4, item & 15
        if operation == 4:
            assert number in (0, len(cigar) - 1)
            row += length
        elif operation == 1:
            score -= 6 + length
            row += length
        elif operation == 2:
            score -= 6 + length
            column += length
        else:
            for _ in range(length):
                assert window[column] != 6
                same = read[row] == window[column] and read[row] < 4
                score += 1 if same else -1 if read[row] > 3 else -4
                row, column = row + 1, column + 1
    assert row == len(read)
    return score + bonus * (cigar[0] & 15 != 4) + bonus * (cigar[-1] & 15 != 4)
