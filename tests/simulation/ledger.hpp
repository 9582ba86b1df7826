// The ledger: what really happened, by everybody's doing, and what of it breaks a promise. It sees
// what the agent cannot: the manager's truth, the disk, and what people did.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/job.hpp"
#include "core/journal.hpp"
#include "core/scm/port.hpp"
#include "core/service.hpp"

namespace noforce::simulation {

// The promises; the names are what the mutants are held against.
inline constexpr const char* kEndsOnce = "ends once";
inline constexpr const char* kNeverForced = "never forced";
inline constexpr const char* kNothingLeftDown = "nothing left down";
inline constexpr const char* kRestoredExactly = "restored exactly";
inline constexpr const char* kOrder = "order";
inline constexpr const char* kConsent = "consent";
inline constexpr const char* kControlOnce = "control once";
inline constexpr const char* kDurableFirst = "durable first";
inline constexpr const char* kHonest = "honest";
inline constexpr const char* kEnds = "ends";

struct Violation {
  std::string promise;
  std::string what;
};

enum class DownBy : std::uint8_t { nobody, job, person, itself, failed_start, reboot };

// How a service came to be down, and what was done about it since.
struct Fate {
  DownBy by = DownBy::nobody;
  std::string job;            // DownBy::job; DownBy::reboot: the boot that ended
  bool start_failed = false;  // since then
};

class Ledger {
 public:
  explicit Ledger(bool tracing) : tracing_(tracing) {}
  void set_graph(std::shared_ptr<const Graph> graph) { graph_ = std::move(graph); }

  // What happened --------------------------------------------------------------------------------
  void trace(const std::string& line);
  void violated(const char* promise, const std::string& what);
  // A commit that reached the disk; `before` is null for a new job; `seen` is the agent's
  // picture, null where the commit came later than what it says (the disk was full).
  void committed(const std::vector<std::pair<JobPtr, JobPtr>>& jobs,
                 const std::map<std::string, JobPtr>& disk, const Picture* seen);
  void audited(const AuditEntry& entry);
  void accepted(const std::string& job) { accepted_.insert(job); }
  // The agent sends a control; `seen` is its picture, `disk` what is durable.
  void submitted(const Control& control, const Picture& seen,
                 const std::map<std::string, JobPtr>& disk, bool disk_is_ill);
  void hook_ran(const ControlToken& token, const std::map<std::string, JobPtr>& disk);
  // The manager did it.
  void asked_to_stop(const std::string& service, const std::string& instance,
                     const std::string& job);
  void killed(const std::string& service);
  void went_down(const std::string& service, DownBy by, const std::string& job);
  void start_failed(const std::string& service);
  void came_up(const std::string& service) { fates_[service] = {}; }
  void touched_by_person(const std::string& service) { meddled_.insert(service); }

  // Held against the end -------------------------------------------------------------------------
  void judge(const Picture& truth, const std::map<std::string, JobPtr>& disk,
             const std::map<std::string, ServiceState>& at_first);

  [[nodiscard]] const std::vector<Violation>& violations() const { return violations_; }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  [[nodiscard]] bool tracing() const { return tracing_; }
  // A number instead of a job's name, whose letters are random.
  [[nodiscard]] std::string number_of(const std::string& job);
  // What of all this happened: the same for the same seed.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  void judge_transition(const Job& before, const Job& after,
                        const std::map<std::string, JobPtr>& disk, const Picture* seen);
  void note_given_up(const Job& job, const std::map<std::string, JobPtr>& disk);
  void judge_end(const Job& job, const Picture* seen);
  void judge_picture(const Job& job, const Picture& seen);
  void judge_begin(const Job& job, const std::map<std::string, JobPtr>& disk);
  [[nodiscard]] bool explains(const Job& job, const std::string& service, const Picture& truth,
                              const std::map<std::string, JobPtr>& disk) const;
  [[nodiscard]] bool may_be_down(const std::string& service, const Picture& truth,
                                 const std::map<std::string, JobPtr>& disk,
                                 std::set<std::string>& looked_at);

  bool tracing_;
  std::vector<std::string> lines_;
  std::vector<Violation> violations_;
  std::uint64_t fingerprint_ = 14695981039346656037ULL;
  std::map<std::string, std::size_t> numbers_;
  std::set<std::string> accepted_;
  std::map<std::string, int> ends_;  // audit rows job.done
  std::map<std::string, Fate> fates_;
  std::set<std::string> meddled_;
  std::shared_ptr<const Graph> graph_;
  std::set<std::string> given_up_;    // job and service
  std::map<std::string, int> stops_;  // by instance and job
  std::map<std::string, int> hooks_;  // by job and step
};

}  // namespace noforce::simulation
