// The backend's one thread: looks at the services, makes the pictures, hands controls to the crew and
// their answers to core. Everything that it calls returns at once; what may block is the crew's.
//
// The round over all services (EnumServicesStatusEx, one call) is the truth; notifications and ended
// processes only say where to look sooner. Notified is who is looked at closely: what a job has
// prepared or was told to watch, who has a control under way, and who is pending.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/port.hpp"
#include "core/scm/windows/calls.hpp"
#include "core/scm/windows/control_crew.hpp"
#include "core/scm/windows/dependencies.hpp"
#include "core/scm/windows/followed.hpp"
#include "core/scm/windows/mailbox.hpp"
#include "core/scm/windows/notebook.hpp"

namespace noforce::windows {

inline constexpr Milliseconds kRound{2'000};         // all services, also when nothing is heard
inline constexpr Milliseconds kUnnotifiedLook{250};  // looked at closely, and no word can be had
inline constexpr std::size_t kConfigsARound = 8;     // configurations that a round reads again

// A service's warnings for plans that do not change with its state.
using ServiceFacts = std::map<std::string, std::vector<std::string>, std::less<>>;

class Looker {
 public:
  struct Outlets {
    std::function<void(PicturePtr, std::shared_ptr<const ServiceFacts>)> publish;
    // The first complete picture was published, or why none can be had; may be called again.
    std::function<void(Result<void>)> ready;
    ScmSink* sink = nullptr;
  };

  Looker(std::shared_ptr<Calls> calls, std::filesystem::path notes, Outlets outlets,
         Mailbox& mailbox, const Clock& clock);

  // Until Leave is in the mailbox.
  void run();

 private:
  struct Entry {
    explicit Entry(const std::string& name) : followed(name) {}
    Followed followed;
    ConfiguredService configured;
    std::vector<std::string> facts;
    std::vector<std::string> unread;  // what of its configuration is not known
    bool config_read = false;         // once at least
    bool armed = false;               // a notification is to come
    bool unnotified = false;          // none can be had
    MonoTime due{MonoTime::max()};
  };
  struct Process {
    ProcessHandle handle;
    ProcessSeen seen;
  };
  struct Repeated {
    Control control;
    MonoTime until{};
  };

  void look_around();
  void serve_mailbox();
  void serve(Request& request);
  void hear(const Woken& woken);
  [[nodiscard]] MonoTime next_due() const;

  void connect();
  void lost(Code code);
  void round();
  void look(const std::string& name);
  void look_due();
  [[nodiscard]] Answer<StatusRecord> status_of(const std::string& name);
  void take(Entry& entry, const StatusRecord& told);
  [[nodiscard]] Sight sight_of(const Entry& entry, const StatusRecord& status);
  [[nodiscard]] StatusRecord with_its_process(const std::string& name, StatusRecord status);
  [[nodiscard]] bool open_process(std::uint32_t pid);
  [[nodiscard]] ProcessSeen process_of(std::uint32_t pid);
  void drop_processes();
  [[nodiscard]] bool is_close(const std::string& name, const Entry& entry) const;
  void arm(const std::string& name, Entry& entry);
  void reopen();

  [[nodiscard]] bool read_configuration(const std::string& name);
  void read_some_configurations();
  void read_drivers();
  void rebuild_graph();

  void submit(Control control);
  void repeat(Control control, const Note& note);
  void look_at_repeated();
  void send(Control control);
  void carried(const Carried& carried);
  void answer(const ControlToken& token, ControlOp op, const std::string& service, Code code);
  void refuse(const ControlToken& token, Error error);

  static void tell(const LookAgain& again);
  void prepare(const Prepare& prepare);
  void release(const std::string& job);
  void publish();

  std::shared_ptr<Calls> calls_;
  Outlets outlets_;
  Mailbox& mailbox_;
  const Clock& clock_;
  Notebook notebook_;
  ControlCrew crew_;

  bool leaving_ = false;
  bool ever_complete_ = false;
  bool told_lost_ = false;
  MonoTime retry_at_{};
  Milliseconds retry_delay_{0};
  MonoTime round_at_{};
  MonoTime lagged_at_{};  // when the manager last said 1294

  ManagerHandle manager_;
  std::map<std::string, Entry> entries_;  // by canonical name
  std::map<std::uint32_t, Process> processes_;
  std::set<std::string> drivers_;    // folded
  bool depends_on_unknown_ = false;  // some service does, on what is no service and no driver
  std::vector<std::string> group_order_;
  std::string next_configuration_;  // the next round begins to read here
  std::shared_ptr<const Graph> graph_;
  std::shared_ptr<const ServiceFacts> facts_;

  std::set<std::string> watched_;
  std::map<std::string, std::vector<std::string>> prepared_;  // by job
  std::map<ControlToken, std::string> under_way_;             // service, by token
  std::vector<Repeated> repeated_;

  std::uint64_t revision_ = 0;
  std::set<std::string> changed_;  // since the last picture
  bool inventory_changed_ = false;
  bool dirty_ = false;                   // a picture is due although no service changed
  std::vector<Completion> completions_;  // told after the next picture
};

}  // namespace noforce::windows
