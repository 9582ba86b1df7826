#!/usr/bin/env python3
"""Deliberate faults for the simulation: each must break the promise beside it.

  mutants.py list                what there is, "name|promise" a line
  mutants.py make CORE OUT       copies of core's sources with all of them in it, each asleep until it
                                 is chosen (mutant.hpp), and mutant_names.cpp
A place that is not there any more, or not just once, is an error: the list goes with the code.
"""
import pathlib
import re
import sys

# name, promise, file, what stands there, what a mutant has instead (M: "is this one chosen?")
MUTANTS = [
    ("nobody waits for those before", "order", "scheduler.cpp",
     "  return std::all_of(at->second.services.begin(), at->second.services.end(),",
     "  return M || std::all_of(at->second.services.begin(), at->second.services.end(),"),
    ("what came up is not looked for before a stop", "order", "executor_steps.cpp",
     "  if (up.empty()) return false;\n  for (const auto& name : up) {\n    const Service*",
     "  if (up.empty() || M) return false;\n  for (const auto& name : up) {\n    const Service*"),
    ("what went down is not looked for before a start", "order", "executor_steps.cpp",
     "  if (down.empty()) return false;",
     "  if (down.empty() || M) return false;"),
    ("nobody asks who consented", "consent", "executor_steps.cpp",
     "  return contains(job.services, service) || contains(job.consented, service);",
     "  return M || contains(job.services, service) || contains(job.consented, service);"),
    ("effects come before the commit", "durable first", "executor.cpp",
     "  JournalChange change;\n",
     "  if (M) {\n    for (const auto& effect : effects_)\n      perform(effect);\n  }\n"
     "  JournalChange change;\n"),
    ("a job begins on a full disk", "durable first", "executor.cpp",
     "!run->second.begun_on_disk) return false;",
     "(!run->second.begun_on_disk && !M)) return false;"),
    ("what could not be written is forgotten", "ends", "executor.cpp",
     "      retry_commit_ = now + kCommitPause;\n",
     "      retry_commit_ = now + kCommitPause;\n      if (M) changed_.clear();\n"),
    ("a new token after a restart of the agent", "control once", "executor_steps.cpp",
     "  if (!same_control) ++in_hand.attempts;",
     "  if (!same_control || M) ++in_hand.attempts;"),
    ("a hook is repeated", "control once", "executor_steps.cpp",
     "  if (at->operation == Operation::hook && at->attempts > 0) {",
     "  if (at->operation == Operation::hook && at->attempts > 0 && !M) {"),
    ("nothing is prepared before a stop", "never forced", "executor_steps.cpp",
     "  if (!stops.empty()) {\n    if (auto prepared",
     "  if (!stops.empty() && !M) {\n    if (auto prepared"),
    ("the lease goes before the end is on disk", "never forced", "executor_steps.cpp",
     "  for (const auto& next : scheduler_.remove(job.id))\n    ready_.push_back(next);\n  active_",
     "  if (M) parts_.scm.release(job.id);\n"
     "  for (const auto& next : scheduler_.remove(job.id))\n    ready_.push_back(next);\n  active_"),
    ("nobody comes back for a late stop", "nothing left down", "executor.cpp",
     "  if (follower_comes_) return;",
     "  if (follower_comes_ || M) return;"),
    ("what waits for a late stop is given up", "nothing left down", "decide.cpp",
     "      restoration.blocked.push_back(name);",
     "      (M ? restoration.lost : restoration.blocked).push_back(name);"),
    ("a stop without an answer is forgotten", "nothing left down", "decide.cpp",
     "  const bool may_go_down = may_still_stop(job, picture);",
     "  const bool may_go_down = !M && may_still_stop(job, picture);"),
    ("what was paused runs on", "restored exactly", "plan.cpp",
     "  if (then_pause) plan_.steps",
     "  if (then_pause && !M) plan_.steps"),
    ("a restart starts what was stopped", "restored exactly", "plan.cpp",
     "      if (!contains(to_start, name) && comes_up(service(name))) {",
     "      if (!contains(to_start, name) && (comes_up(service(name)) || M)) {"),
    ("the end does not say what is down", "honest", "executor_steps.cpp",
     "    job.down = now_down(job, *picture);\n    note_wanted",
     "    if (!M) job.down = now_down(job, *picture);\n    note_wanted"),
    ("a stop is over when one was", "honest", "executor_steps.cpp",
     "  if (job.action != Action::stop || run.restoring) return false;",
     "  if (job.action != Action::stop || run.restoring || M) return false;"),
    ("an end is recorded again", "ends once", "executor_steps.cpp",
     "void Executor::finish_parent(const Job& child, bool good) {\n",
     "void Executor::finish_parent(const Job& child, bool good) {\n"
     "  if (M) audit_.push_back(AuditEntry{.principal = {}, .address = {}, .event = \"job.done\",\n"
     "                                     .outcome = {}, .job = *child.parent, .services = {},\n"
     "                                     .detail = {}});\n"),
]

# The same for faults of the world itself, which the program has ready (simulation.cpp).
FAULTS = [
    ("manager forgets tokens", "control once"),
    ("manager kills anyway", "never forced"),
    ("manager loses starts", "nothing left down"),
    ("disk forgets", "durable first"),
    ("disk doubles keys", "ends once"),
    ("disk loses what was accepted", "ends once"),
]


def make(core: pathlib.Path, out: pathlib.Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    texts = {}
    for name, _, file, old, new in MUTANTS:
        text = texts.setdefault(file, (core / file).read_text())
        if text.count(old) != 1:
            sys.exit(f"mutants.py: {file}: the place of \"{name}\" is there {text.count(old)} times")
        chosen = f'noforce::simulation::mutated("{name}")'
        texts[file] = text.replace(old, re.sub(r"\bM\b", lambda _: chosen, new))
    for file, text in texts.items():
        write(out / file, f'#include "tests/simulation/mutant.hpp"\n#line 1 "{core / file}"\n{text}')
    names = ",\n".join(f'    "{name}"' for name, *_ in MUTANTS)
    write(out / "mutant_names.cpp",
          '#include "tests/simulation/mutant.hpp"\n\nnamespace noforce::simulation {\n\n'
          f"std::vector<std::string_view> mutant_names() {{\n  return {{\n{names},\n  }};\n}}\n\n"
          "}  // namespace noforce::simulation\n")


def write(path: pathlib.Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


if __name__ == "__main__":
    if sys.argv[1:] == ["list"]:
        for entry in MUTANTS:
            print(f"{entry[0]}|{entry[1]}")
        for name, promise in FAULTS:
            print(f"{name}|{promise}")
    elif len(sys.argv) == 4 and sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        sys.exit(__doc__)
