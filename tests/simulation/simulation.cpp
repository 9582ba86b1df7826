// simulation [--from N] [--seeds N] [--fault NAME [--bites PROMISE]] | --trace SEED | --replays N
//
// Runs schedules by their seeds. Without --bites: exit 1 at the first seed that breaks a promise,
// with what happened. With it: exit 0 as soon as a seed breaks just that promise, 1 when none does.
// --replays: whether each of the first N seeds is twice the same schedule.
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tests/simulation/mutant.hpp"
#include "tests/simulation/world.hpp"

namespace noforce::simulation {
namespace {

struct Options {
  std::uint64_t from = 1;
  std::uint64_t seeds = 1'000;
  std::optional<std::uint64_t> trace;
  std::optional<std::uint64_t> replays;
  std::string fault;
  std::string bites;
};

using Faults = std::map<std::string, std::function<void(Setting&)>, std::less<>>;

const Faults& faults() {
  static const Faults kAll{
      {"manager forgets tokens", [](Setting& s) { s.manager.forgets_tokens = true; }},
      {"manager kills anyway", [](Setting& s) { s.manager.kills_anyway = true; }},
      {"manager loses starts", [](Setting& s) { s.manager.loses_starts = true; }},
      {"disk forgets", [](Setting& s) { s.disk.forgets = true; }},
      {"disk doubles keys", [](Setting& s) { s.disk.doubles_keys = true; }},
      {"disk loses what was accepted", [](Setting& s) { s.disk.loses_accepted = true; }},
  };
  return kAll;
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc{} || end.ptr != text.data() + text.size()) {
    std::fprintf(stderr, "simulation: %.*s is not a number\n", static_cast<int>(text.size()),
                 text.data());
    std::exit(2);
  }
  return value;
}

Options read(int argc, char** argv) {
  Options options;
  for (int n = 1; n + 1 < argc; n += 2) {
    const std::string_view name = argv[n];
    const std::string_view value = argv[n + 1];
    if (name == "--from") {
      options.from = number(value);
    } else if (name == "--seeds") {
      options.seeds = number(value);
    } else if (name == "--trace") {
      options.trace = number(value);
    } else if (name == "--replays") {
      options.replays = number(value);
    } else if (name == "--fault") {
      options.fault = value;
    } else if (name == "--bites") {
      options.bites = value;
    } else {
      std::fprintf(stderr, "simulation: unknown option %s\n", argv[n]);
      std::exit(2);
    }
  }
  return options;
}

Setting setting_for(const Options& options, std::uint64_t seed, bool tracing) {
  Setting setting{.seed = seed, .tracing = tracing, .manager = {}, .disk = {}};
  if (options.fault.empty()) return setting;
  if (const auto fault = faults().find(options.fault); fault != faults().end()) {
    fault->second(setting);
  } else if (!choose_mutant(options.fault)) {
    std::fprintf(stderr, "simulation: there is no fault named %s\n", options.fault.c_str());
    std::exit(2);
  }
  return setting;
}

int print(const Options& options, std::uint64_t seed) {
  const Outcome outcome = World(setting_for(options, seed, true)).run();
  for (const auto& line : outcome.trace)
    std::printf("%s\n", line.c_str());
  for (const auto& violation : outcome.violations)
    std::printf("seed %llu breaks \"%s\": %s\n", static_cast<unsigned long long>(seed),
                violation.promise.c_str(), violation.what.c_str());
  return outcome.violations.empty() ? 0 : 1;
}

int replay(std::uint64_t seeds) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Setting setting{.seed = seed, .tracing = false, .manager = {}, .disk = {}};
    if (World(setting).run().fingerprint == World(setting).run().fingerprint) continue;
    std::printf("seed %llu is another schedule each time\n", static_cast<unsigned long long>(seed));
    return 1;
  }
  return 0;
}

int run(const Options& options) {
  if (options.replays) return replay(*options.replays);
  if (options.trace) return print(options, *options.trace);
  const auto begun = std::chrono::steady_clock::now();
  std::uint64_t jobs = 0;
  std::uint64_t kills = 0;
  for (std::uint64_t seed = options.from; seed < options.from + options.seeds; ++seed) {
    const Outcome outcome = World(setting_for(options, seed, false)).run();
    jobs += outcome.jobs;
    kills += outcome.kills;
    if (outcome.violations.empty()) continue;
    if (options.bites.empty()) return print(options, seed);
    const auto& first = outcome.violations.front();
    if (first.promise != options.bites) continue;
    std::printf("seed %llu bites: %s\n", static_cast<unsigned long long>(seed), first.what.c_str());
    return 0;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf("%llu seeds, %llu jobs, %llu kills, %.1f s\n",
              static_cast<unsigned long long>(options.seeds), static_cast<unsigned long long>(jobs),
              static_cast<unsigned long long>(kills), took.count());
  if (options.bites.empty()) return 0;
  std::printf("nothing broke \"%s\"\n", options.bites.c_str());
  return 1;
}

}  // namespace
}  // namespace noforce::simulation

int main(int argc, char** argv) {
  return noforce::simulation::run(noforce::simulation::read(argc, argv));
}
