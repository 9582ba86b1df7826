// Each control from the moment in which it is asked for until its answer: noted, given to the crew,
// answered once its service was looked at. One that an agent before this one has sent, and whose
// answer nobody heard, is decided by what is seen (decide_repeat). One thread; effects go through
// World and the crew.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/port.hpp"
#include "core/scm/windows/control_crew.hpp"
#include "core/scm/windows/inventory.hpp"
#include "core/scm/windows/notebook.hpp"

namespace noforce::windows {

class Controls {
 public:
  class World {
   public:
    virtual ~World() = default;
    [[nodiscard]] virtual bool is_connected() const = 0;
    // Looks at the service now, and asks to hear of it as long as a control for it is open. Nothing
    // happens while the manager is lost; it may come out as lost here.
    virtual void look(const std::string& service) = 0;
    // Asks to hear of the service.
    virtual void listen_to(const std::string& service) = 0;
    // And with them who hangs on whom.
    virtual void read_all_configurations() = 0;
  };

  Controls(World& world, const Inventory& inventory, Notebook& notebook, ControlCrew& crew,
           const Clock& clock)
      : world_(world), inventory_(inventory), notebook_(notebook), crew_(crew), clock_(clock) {}

  void submit(Control control);
  // The crew has sent it, or was refused.
  void carried(const Carried& carried);
  // What was done for it broke off: that is its answer.
  void give_up(const ControlToken& token, Error error);

  // Decides again of those that an agent before this one has sent.
  void look_at_repeated();
  // When to do so at the latest.
  [[nodiscard]] MonoTime next_due() const;
  // Whether a control for the service waits for its answer.
  [[nodiscard]] bool is_open_for(const std::string& service) const;

  // The answers since the last call; told after the picture that shows their effect.
  [[nodiscard]] std::vector<Completion> take_completions();

 private:
  struct Repeated {
    Control control;
    MonoTime until{};
  };

  void send(Control control);
  void repeat(Control control, const Note& note);
  void answer(const ControlToken& token, ControlOp op, const std::string& service, Code code);
  void refuse(const ControlToken& token, Error error);

  World& world_;
  const Inventory& inventory_;
  Notebook& notebook_;
  ControlCrew& crew_;
  const Clock& clock_;

  std::map<ControlToken, std::string> under_way_;  // service, by token
  std::vector<Repeated> repeated_;
  std::vector<Completion> completions_;
};

}  // namespace noforce::windows
