"""Every recorded stream, HTTP error and adversarial case comes to its independently derived result."""

from __future__ import annotations

import corpus
import pytest
from expectations import differences

from otel_stream.testing import replay

RECORDED = [*corpus.streams(), *corpus.http_errors()]
ADVERSARIAL = corpus.adversarial()


@pytest.mark.parametrize("case", RECORDED, ids=str)
def test_a_recording_gives_its_expected_result_however_it_is_cut(case):
    cuts = [[case.body], *(case.cut_at_random(seed) for seed in range(3))]

    found = [differences(case, replay(**case.replay_arguments(chunks))) for chunks in cuts]

    assert found == [[]] * len(cuts)


@pytest.mark.parametrize("case", ADVERSARIAL, ids=str)
def test_an_adversarial_case_gives_its_expected_result_in_every_chunking(case):
    cuts = [*(chunks for _, chunks in case.pieces()), case.cut_at_random(0)]

    found = [differences(case, replay(**case.replay_arguments(chunks))) for chunks in cuts]

    assert found == [[]] * len(cuts)


@pytest.mark.parametrize("api", sorted({case.api for case in corpus.streams()}))
def test_byte_by_byte_a_recording_gives_its_expected_result(api):
    cases = corpus.streams(api)

    found = [differences(case, replay(**case.replay_arguments(case.cut(1)))) for case in cases]

    assert [lines for lines in found if lines] == []
