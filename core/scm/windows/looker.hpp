// The backend's one thread: looks at the services, makes the pictures, hands controls to the crew and
// their answers to core. Everything that it calls returns at once; what may block is the crew's.
//
// The round over all services (EnumServicesStatusEx, one call) is the truth; notifications and ended
// processes only say where to look sooner. Notified is who is looked at closely: what a job has
// prepared or was told to watch, who has a control under way, and who is pending.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "core/clock.hpp"
#include "core/scm/port.hpp"
#include "core/scm/windows/attention.hpp"
#include "core/scm/windows/calls.hpp"
#include "core/scm/windows/control_crew.hpp"
#include "core/scm/windows/controls.hpp"
#include "core/scm/windows/followed.hpp"
#include "core/scm/windows/inventory.hpp"
#include "core/scm/windows/mailbox.hpp"
#include "core/scm/windows/notebook.hpp"
#include "core/scm/windows/processes.hpp"

namespace noforce::windows {

inline constexpr Milliseconds kRound{2'000};         // all services, also when nothing is heard
inline constexpr Milliseconds kUnnotifiedLook{250};  // looked at closely, and no word can be had
inline constexpr std::size_t kConfigsARound = 8;     // configurations that a round reads again

class Looker final : private Controls::World {
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
  using Entry = Inventory::Entry;

  void look_around();
  void serve_mailbox();
  void serve(Request& request);
  void hear(const Woken& woken);
  [[nodiscard]] MonoTime next_due() const;

  void connect();
  void reopen();
  void lost(Code code);
  [[nodiscard]] bool is_connected() const override { return static_cast<bool>(manager_); }

  void round();
  void look_due();
  void look(const std::string& name) override;
  [[nodiscard]] Answer<StatusRecord> status_of(const std::string& name);
  void take(Entry& entry, const StatusRecord& told);
  [[nodiscard]] Sight sight_of(const Entry& entry, const StatusRecord& status);
  [[nodiscard]] bool is_close(const std::string& name, const Entry& entry) const;
  void arm(const std::string& name, Entry& entry);
  void listen_to(const std::string& name) override;

  [[nodiscard]] bool read_configuration(const std::string& name);
  void read_some_configurations();
  void read_all_configurations() override;
  void read_drivers();
  void rebuild_graph();

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
  Inventory inventory_;
  Attention attention_;
  Controls controls_;

  bool leaving_ = false;
  bool ever_complete_ = false;
  bool told_lost_ = false;
  MonoTime retry_at_{};
  Milliseconds retry_delay_{0};
  MonoTime round_at_{};
  MonoTime lagged_at_{};  // when the manager last said 1294

  ManagerHandle manager_;
  Processes processes_;
  bool depends_on_unknown_ = false;  // some service does, on what is no service and no driver
  std::string next_configuration_;   // the next round begins to read here
  bool dirty_ = false;               // a picture is due although no service changed
};

}  // namespace noforce::windows
