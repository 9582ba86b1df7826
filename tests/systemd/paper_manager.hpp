// A manager of paper behind the wire: it answers what the test says, loses what the test wants lost,
// and goes away on command.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/scm/systemd/wire.hpp"

namespace noforce::systemd::testing {

using Facts = std::map<std::string, Value>;

// A running service that systemd would kill after 2 s of stopping, and one that it would not.
[[nodiscard]] Facts running_service(const std::string& id, const std::string& invocation);
[[nodiscard]] Facts harmless_service(const std::string& id, const std::string& invocation);

class PaperManager {
 public:
  PaperManager();

  // Hands out connections to this manager, which outlives them.
  [[nodiscard]] OpenWire open();

  void put(const std::string& unit, Facts facts);
  // Changes facts, and says so by the two signals that systemd sends; silently, without them.
  void change(const std::string& unit, const Facts& facts, bool silently = false);
  // How calls of this member are answered, instead of as usual. Nothing: no answer comes.
  using Answer = std::function<std::optional<CallReply>(const Call&)>;
  void answer(const std::string& member, Answer answer);
  void signal(Signal signal);
  // The connection is gone; new ones are made, or refused.
  void cut(bool refuse_new = false);
  void accept_again();

  // "StopUnit web.service replace", in order; of calls that change something.
  [[nodiscard]] std::vector<std::string> orders() const;
  [[nodiscard]] int count(const std::string& member) const;

 private:
  class PaperWire;

  [[nodiscard]] std::optional<CallReply> reply_to(const Call& call);

  mutable std::mutex mutex_;
  std::map<std::string, Facts> units_;
  std::map<std::string, Answer> answers_;
  std::vector<std::string> calls_;
  std::vector<std::string> orders_;
  PaperWire* wire_ = nullptr;
  bool refuses_ = false;
  std::uint64_t next_job_ = 100;
};

}  // namespace noforce::systemd::testing
