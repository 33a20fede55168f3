"""`python -m bench`: see the package's docstring."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time

from bench import machine, report
from bench.document import PERFORMANCE_MD, write_results
from bench.drawing import PERFORMANCE_SVG, draw
from bench.scenarios import SCENARIOS, Plan, Scenario
from bench.sides import Result
from bench.stage import Stage, open_stage

FULL = Plan(rounds=5, seconds=4)
QUICK = Plan(rounds=3, seconds=1)


def main() -> int:
    """Exit code 0 when everything was measured and the books add up, whatever the ratios are."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure the rows SP-n side by side."
    )
    parser.add_argument("--quick", action="store_true", help="three short rounds: a hint, not a result")
    parser.add_argument("--only", default="", help="rows, separated by commas: SP-1,SP-3")
    parser.add_argument("--rounds", type=int, help="measurements of each side")
    parser.add_argument("--seconds", type=float, help="length of a measurement")
    options = parser.parse_args()
    base = QUICK if options.quick else FULL
    plan = Plan(rounds=options.rounds or base.rounds, seconds=options.seconds or base.seconds)
    scenarios = _chosen(options.only)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends with us
    started_at = time.monotonic()
    with open_stage() as stage:
        facts = {
            **machine.facts(stage.programs),
            "fsync_us": machine.fsync_microseconds(stage.programs, stage.data_directory),
        }
        report.print_facts(facts)
        results = [result for scenario in scenarios for result in _measured(scenario, stage, plan)]
    report.print_table(results)
    for result in results:
        print(json.dumps(result.as_json()))
    print(f"{time.monotonic() - started_at:.0f} s")
    if not options.quick and len(scenarios) == len(SCENARIOS):
        draw(results, facts, PERFORMANCE_SVG)
        write_results(results, facts, PERFORMANCE_MD)
    return 0


def _measured(scenario: Scenario, stage: Stage, plan: Plan) -> list[Result]:
    names = ", ".join(target.id for target in scenario.targets)
    print(f"{names} …", file=sys.stderr, flush=True)
    return scenario.run(stage, plan)


def _chosen(only: str) -> list[Scenario]:
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    known = {target.id for scenario in SCENARIOS for target in scenario.targets}
    if unknown := wanted - known:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    return [s for s in SCENARIOS if not wanted or wanted & {target.id for target in s.targets}]


if __name__ == "__main__":
    sys.exit(main())
