// What a request would do, and whether it may: who asks, what is named, the plan, the policies. What the
// queue, a hold or a full disk have to say is not looked at here. Nothing is changed; any thread.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/board.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/job_request.hpp"
#include "core/journal.hpp"
#include "core/plan.hpp"
#include "core/policy.hpp"
#include "core/scm/port.hpp"

namespace noforce {

struct Appraisal {
  Plan plan;
  std::shared_ptr<const Policies> policies;  // those that it was made by
  std::optional<Error> refusal;
};

// By role and action; forbidden with a sentence.
[[nodiscard]] Result<void> check_caller(const Caller& caller, Action action);

class Appraiser {
 public:
  // `board`: its restarts that have begun bring back what they took down, and plans count with that.
  Appraiser(Scm& scm, Journal& journal, const Board& board, const Clock& clock)
      : scm_(scm), journal_(journal), board_(board), clock_(clock) {}

  // An error where there is no plan to show; a refusal where there is one that may not run now.
  [[nodiscard]] Result<Appraisal> appraise(const Caller& caller, const JobRequest& request,
                                           std::shared_ptr<const Policies> policies) const;
  // Canonical name. Where there is none, and where the caller may not see it, unknown_service; or for the
  // second `when_hidden`, if that is forbidden.
  [[nodiscard]] Result<std::string> resolve(const Principal& principal, std::string_view spelling,
                                            ErrorKind when_hidden) const;

 private:
  [[nodiscard]] PicturePtr expected_picture() const;
  [[nodiscard]] Result<std::vector<std::string>> named_services(
      const Principal& principal, const JobRequest& request, const Policies& policies,
      std::vector<std::string>& warnings) const;
  [[nodiscard]] bool sees_member(const Principal& principal, const Group& group) const;
  [[nodiscard]] std::optional<Error> refusal(const Caller& caller, const JobRequest& request,
                                             const Appraisal& it,
                                             const std::set<std::string>& touched) const;
  [[nodiscard]] std::optional<Error> policy_refusal(const Caller& caller, const JobRequest& request,
                                                    const Appraisal& it,
                                                    const std::set<std::string>& touched) const;

  Scm& scm_;
  Journal& journal_;
  const Board& board_;
  const Clock& clock_;
};

}  // namespace noforce
