"""`finn-imec verify`."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from finn_imec.cli.options import AsJson, Cluster, Jobs
from finn_imec.terminal import console, log, print_json, progress_bar


def verify(
    cases: Annotated[int, typer.Option(help="Number of random cases.", min=1)] = 240,
    seed: Annotated[int, typer.Option(help="Seed of the campaign.", min=0)] = 0,
    case: Annotated[int | None, typer.Option(help="Run only the case of this number.", min=0)] = None,
    parameters: Annotated[str | None, typer.Option(help="Run only these parameters, in JSON.")] = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Verify random layers in RTL against plain convolution; reduce a case that fails."""
    from finn_imec.util.workers import workers
    from finn_imec.verification.campaign import VerificationError, reduce
    from finn_imec.verification.campaign import verify as run_campaign
    from finn_imec.verification.cases import CAMPAIGN_MEM_MODES, Case, Parameters, random_case

    numbers = range(cases) if case is None else [case]
    chosen = [random_case(seed, number, CAMPAIGN_MEM_MODES) for number in numbers]
    if parameters is not None:
        chosen = [Case(Parameters.from_json(parameters))]
    if len(chosen) == 1:
        log.print(str(chosen[0]))
    alone = jobs == 1 and cluster is None
    with progress_bar("cases", len(chosen)) as advance:
        try:
            with nullcontext() if alone else workers(jobs, cluster) as executor:
                runs = run_campaign(chosen, progress=advance, executor=executor)
        except VerificationError as err:
            log.print(f"{err}\nreducing it ...", markup=False)
            raise reduce(err) from err
    result = {"seed": seed, "cases": len(chosen), "runs": runs, "failures": 0}
    if as_json:
        print_json(result)
    else:
        console.print(f"{result['cases']} cases, {runs} runs, all bit-exact and cycle-exact")
