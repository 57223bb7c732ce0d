"""Who a case is about: the proband's phenotype, and the family as a pedigree.

A case file or a GA4GH phenopacket (version 1 or 2, single or family, JSON or YAML) becomes the same `Subject`. Of a phenopacket only the
subject, the phenotypic features and the pedigree are read, never its interpretation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genopipe.config import Case, load_case
from genopipe.errors import BadInput
from genopipe.formats.ped import Member, Sex, check_descent, read_ped
from genopipe.formats.yaml_document import read_yaml
from genopipe.interpret.ontology import Ontology

_SEX: dict[str, Sex] = {"FEMALE": "female", "MALE": "male"}
_AFFECTED = {"AFFECTED": True, "UNAFFECTED": False}
_PRIVATE = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Subject:
    """The proband and the family. `observed` and `excluded` are HPO ids as written; `family` holds the proband too."""

    case: str
    proband: str
    sex: Sex
    observed: tuple[str, ...]
    excluded: tuple[str, ...]
    onset: str | None
    family: tuple[Member, ...]
    path: Path
    panels: tuple[str, ...] = ()

    @property
    def member(self) -> Member:
        """The proband's line of the pedigree."""
        return next(member for member in self.family if member.sample == self.proband)


def load_subject(path: Path) -> Subject:
    """The subject of a case file (YAML) or a phenopacket (JSON or YAML). Raises BadInput or BadConfiguration."""
    if path.suffix == ".json":
        return _from_phenopacket(_read_json(path), path)
    packet, _ = read_yaml(path, "case")
    if "subject" in packet or (isinstance(packet.get("proband"), dict) and "subject" in packet["proband"]):
        return _from_phenopacket(packet, path)
    return _from_case(load_case(path, with_reads=False))


def _from_case(case: Case) -> Subject:
    proband = case.proband
    family = read_ped(case.pedigree) if case.pedigree is not None else _family_of(case)
    known = next((member for member in family if member.sample == proband.sample), None)
    if known is None:
        raise BadInput(
            f"the proband {proband.sample} is not in the pedigree",
            wanted=f"a line for {proband.sample}",
            do="Correct the pedigree or the proband's sample.",
            path=case.pedigree,
        )
    _check_proband(known, known_sex(proband.sex), case.pedigree or case.path)
    sex = known.sex if proband.sex == "unknown" else known_sex(proband.sex)
    return Subject(case.case, proband.sample, sex, proband.phenotypes, proband.excluded, proband.onset, family, case.path, case.panels)


def _check_proband(member: Member, sex: Sex, path: Path) -> None:
    """Raises BadInput where the pedigree has the proband of another sex, or unaffected: no variant would explain that."""
    if "unknown" not in (member.sex, sex) and member.sex != sex:
        raise BadInput(
            f"the proband {member.sample} is {sex} in the case file and {member.sex} in the pedigree",
            wanted="the same sex in both",
            do="Correct one of them.",
            path=path,
        )
    if member.affected is False:
        raise BadInput(
            f"the proband {member.sample} is unaffected in the pedigree",
            wanted="a proband who is affected, or of unknown affection",
            do="Correct the pedigree, or the proband.",
            path=path,
        )


def check_terms(subject: Subject, ontology: Ontology) -> None:
    """Raises BadInput for the first HPO term of the subject that the ontology does not know."""
    for key, terms in (("phenotypes", subject.observed), ("excluded", subject.excluded)):
        for term in terms:
            ontology.resolve(term, path=subject.path, key=key)


def known_sex(sex: str) -> Sex:
    """The word of a case file as a sex."""
    return "female" if sex == "female" else "male" if sex == "male" else "unknown"


def _family_of(case: Case) -> tuple[Member, ...]:
    parent = {relative.relation: relative.sample for relative in case.family}
    proband = Member(case.case, case.proband.sample, parent.get("father"), parent.get("mother"), known_sex(case.proband.sex), affected=True)
    others = (
        Member(case.case, relative.sample, None, None, "female" if relative.relation == "mother" else "male", relative.affected)
        for relative in case.family
    )
    return (proband, *others)


def _from_phenopacket(packet: dict[str, Any], path: Path) -> Subject:
    _check_shape(packet, path)
    person: Mapping[str, Any] = packet.get("proband", packet)
    _check_shape(person, path)
    individual = person.get("subject")
    if not isinstance(individual, dict) or not individual.get("id"):
        raise BadInput(
            "no subject with an id",
            wanted="a GA4GH phenopacket or family",
            do="Check that this is a phenopacket.",
            path=path,
            key="subject",
        )
    features = person.get("phenotypicFeatures") or []
    observed = _terms(features, excluded=False, path=path)
    sample = str(individual["id"])
    family = _pedigree(packet, path) or (Member("family", sample, None, None, _SEX.get(individual.get("sex", ""), "unknown"), True),)
    if sample not in {member.sample for member in family}:
        raise BadInput(
            f"the subject {sample} is not in the pedigree",
            wanted=f"a person {sample}",
            do="Correct the pedigree.",
            path=path,
            key="pedigree",
        )
    sex = _SEX.get(individual.get("sex", ""), "unknown")
    _check_proband(next(member for member in family if member.sample == sample), sex, path)
    name = _PRIVATE.sub("-", str(packet.get("id") or sample)).strip("-")[:64] or "case"
    return Subject(name, sample, sex, observed, _terms(features, excluded=True, path=path), _onset(individual), family, path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        packet = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadInput(f"no JSON ({error})", wanted="a GA4GH phenopacket", do="Check the file.", path=path) from error
    if not isinstance(packet, dict):
        raise BadInput("no JSON object", wanted="a GA4GH phenopacket", do="Check the file.", path=path)
    return packet


_SHAPES: Mapping[str, type] = {"proband": dict, "subject": dict, "phenotypicFeatures": list, "pedigree": dict}


def _check_shape(packet: Mapping[str, Any], path: Path) -> None:
    """Raises BadInput where the packet has a number or a text in the place of an object or a list."""
    for key, shape in _SHAPES.items():
        if not isinstance(packet.get(key) or shape(), shape):
            wanted = "an object" if shape is dict else "a list"
            raise BadInput(f"{packet[key]!r}", wanted=wanted, do="Check that this is a phenopacket.", path=path, key=key)


def _terms(features: Sequence[Any], *, excluded: bool, path: Path) -> tuple[str, ...]:
    found = []
    for index, feature in enumerate(features):
        kind = feature.get("type") if isinstance(feature, dict) else None
        identifier = kind.get("id") if isinstance(kind, dict) else None
        if not identifier:
            raise BadInput(
                "a feature without a term", wanted="`type: {id: HP:...}`", do="Correct it.", path=path, key=f"phenotypicFeatures.{index}"
            )
        if bool(feature.get("excluded") or feature.get("negated")) == excluded:  # negated: version 1
            found.append(str(identifier))
    return tuple(dict.fromkeys(found))


def _onset(individual: Mapping[str, Any]) -> str | None:
    encounter = individual.get("timeAtLastEncounter")
    age = encounter.get("age") if isinstance(encounter, dict) else None
    return age.get("iso8601duration") if isinstance(age, dict) else None


def _pedigree(packet: Mapping[str, Any], path: Path) -> tuple[Member, ...]:
    persons = (packet.get("pedigree") or {}).get("persons") or []
    for index, person in enumerate(persons):
        if not isinstance(person, dict) or not person.get("individualId"):
            raise BadInput(
                "a person without an id", wanted="`individualId`", do="Correct the pedigree.", path=path, key=f"pedigree.persons.{index}"
            )
    members = tuple(
        Member(
            str(person.get("familyId", "family")),
            str(person["individualId"]),
            _named(person.get("paternalId")),
            _named(person.get("maternalId")),
            _SEX.get(person.get("sex", ""), "unknown"),
            _AFFECTED.get(person.get("affectedStatus", "")),
        )
        for person in persons
    )
    check_descent(members, path, {})
    return members


def _named(sample: Any) -> str | None:
    return str(sample) if sample not in (None, "", "0") else None
