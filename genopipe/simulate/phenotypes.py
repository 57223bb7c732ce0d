"""A small ontology of invented signs, and which gene's disease shows which of them.

The terms hang below the Human Phenotype Ontology's `Phenotypic abnormality`, with identifiers that it does not use (HP:99.....) and names
that begin with "Simulated", so that no real term gets a false meaning. Only the root, that term and the modes of inheritance are HPO's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from genopipe.simulate.draws import Draws
from genopipe.simulate.genes import Gene

ROOT, ABNORMALITY, INHERITANCE = "HP:0000001", "HP:0000118", "HP:0000005"
MODES = {
    "dominant": ("HP:0000006", "Autosomal dominant inheritance"),
    "recessive": ("HP:0000007", "Autosomal recessive inheritance"),
    "x": ("HP:0001417", "X-linked inheritance"),
    "mitochondrial": ("HP:0001427", "Mitochondrial inheritance"),
}

SYSTEMS: dict[str, dict[str, tuple[str, ...]]] = {
    "nervous system": {
        "seizures": ("seizures in the first week of life", "focal seizures", "seizures that start with fever"),
        "reduced alertness": ("lethargy of the newborn", "episodes of coma", "lack of visual contact"),
    },
    "muscle": {
        "low muscle tone": ("low tone of the trunk", "low tone of the limbs", "absent head control"),
        "muscle weakness": ("weak sucking", "weak cry", "weakness of breathing muscles"),
    },
    "heart": {
        "abnormal heart rhythm": ("slow heartbeat", "fast heartbeat", "skipped heartbeats"),
        "abnormal heart structure": ("thick heart wall", "gap in the heart septum", "narrow heart valve"),
    },
    "liver": {
        "impaired bile flow": ("lasting jaundice", "pale stools", "itching from bile"),
        "enlarged liver": ("fatty liver", "scarred liver", "liver with cysts"),
    },
    "kidney": {
        "kidney malformation": ("kidney cysts", "small kidneys", "single kidney"),
        "kidney salt loss": ("loss of potassium", "loss of phosphate", "acid blood from the kidney"),
    },
    "blood": {
        "few blood cells": ("few red cells", "few platelets", "few neutrophils"),
        "bleeding tendency": ("bleeding into joints", "bruises without cause", "nosebleeds"),
    },
    "eye": {
        "clouded eye": ("clouded lens", "clouded cornea", "clouded vitreous"),
        "retinal disease": ("loss of retinal pigment", "retinal detachment", "night blindness"),
    },
    "skin": {
        "fragile skin": ("blisters on pressure", "skin tears", "slow wound healing"),
        "abnormal pigment": ("pale patches", "dark patches", "white forelock"),
    },
    "skeleton": {
        "fragile bones": ("fractures before birth", "bowed limbs", "soft skull"),
        "short limbs": ("short upper arms", "short thighs", "short fingers"),
    },
    "metabolism": {
        "low blood sugar": ("low sugar after feeding", "low sugar when fasting", "low sugar without ketones"),
        "abnormal acids": ("high lactate", "high ammonia", "organic acids in urine"),
    },
}
ANSWER_SYSTEMS, DECOY_SYSTEMS = ("nervous system", "muscle"), ("eye", "skin")


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the ontology; `replaced_by` is set for an obsolete one."""

    identifier: str
    name: str
    parent: str | None
    level: str
    system: str = ""
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class Disease:
    """What a gene's disease looks like: terms with the share of patients that show them, such as 7/9 or -."""

    identifier: str
    gene: Gene
    mode: str
    terms: tuple[tuple[Term, str], ...]


def ontology() -> list[Term]:
    """All terms, parents before children."""
    terms = [
        Term(ROOT, "All", None, "root"),
        Term(ABNORMALITY, "Phenotypic abnormality", ROOT, "root"),
        Term(INHERITANCE, "Mode of inheritance", ROOT, "root"),
    ]
    terms += [Term(identifier, name, INHERITANCE, "mode") for identifier, name in MODES.values()]
    number = 9_900_000

    def add(name: str, parent: str, level: str, system: str) -> str:
        nonlocal number
        number += 1
        terms.append(Term(f"HP:{number}", f"Simulated {name}", parent, level, system))
        return f"HP:{number}"

    for system, groups in SYSTEMS.items():
        top = add(f"abnormality of the {system}", ABNORMALITY, "system", system)
        for group, signs in groups.items():
            middle = add(group, top, "group", system)
            for sign in signs:
                add(sign, middle, "sign", system)
    first_sign = next(term for term in terms if term.level == "sign")
    terms.append(Term("HP:9909999", "obsolete Simulated fits of the newborn", None, "obsolete", replaced_by=first_sign.identifier))
    return terms


def diseases(genes: list[Gene], answer: Gene, decoy: Gene, *, seed: int) -> list[Disease]:
    """A disease for the two chosen genes and for four of five others."""
    signs = [term for term in ontology() if term.level in ("sign", "group")]
    told = []
    for gene in genes:
        draws = Draws(seed, "disease", gene.identifier)
        if gene is answer:
            systems, mode = list(ANSWER_SYSTEMS), "dominant"
        elif gene is decoy:
            systems, mode = list(DECOY_SYSTEMS), "recessive"
        elif draws.happens(1, 5):
            continue
        else:
            systems, mode = draws.shuffled(list(SYSTEMS))[: draws.one(1, 3)], _mode(gene, draws)
        of_systems = [term for term in signs if term.system in systems]
        shown = draws.shuffled(of_systems)[: 9 if gene is answer else draws.one(4, 7)]
        shares = [f"{draws.one(2, 9)}/9" if draws.happens(1, 2) else "-" for _ in shown]
        told.append(Disease(f"DEMO:{900_000 + gene.ncbi_gene_id % 100_000}", gene, mode, tuple(zip(shown, shares, strict=True))))
    return told


def _mode(gene: Gene, draws: Draws) -> str:
    if gene.contig in ("chrX", "chrM"):
        return {"chrX": "x", "chrM": "mitochondrial"}[gene.contig]
    return draws.pick(("dominant", "recessive", "recessive"))


def observed(disease: Disease, *, seed: int) -> tuple[list[str], list[str]]:
    """The newborn's signs: four of the disease and one that does not belong to it; and one sign looked for and not found."""
    draws = Draws(seed, "observed")
    signs = [term for term in ontology() if term.level == "sign"]
    of_disease = [term for term, _ in disease.terms]
    strange = draws.shuffled([term for term in signs if term.system not in (*ANSWER_SYSTEMS, *DECOY_SYSTEMS)])
    shown = [*draws.shuffled([term for term in of_disease if term.level == "sign"])[:4], strange[0]]
    return [term.identifier for term in shown], [strange[1].identifier]
