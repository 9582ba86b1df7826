// A configuration service, as IIS Admin and its metabase were: settings are changed in memory and
// saved only on a clean stop. Ended by force, it forgets the changes.
//
//   SET <key> <value>  -> OK
//   GET <key>          -> VALUE <value>, or NONE
#include <algorithm>
#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <string>

#include "tests/services/common/life.hpp"
#include "tests/services/common/log.hpp"
#include "tests/services/common/loop.hpp"
#include "tests/services/common/net.hpp"
#include "tests/services/common/notify.hpp"

namespace services {
namespace {

using Milliseconds = std::chrono::milliseconds;

class Configuration {
 public:
  // --listen ADDRESS   127.0.0.1:PORT or unix:PATH
  // --file FILE        where the settings are kept, "key value" a line
  // --save-ms N        how long saving takes (default 0)
  explicit Configuration(const Arguments& arguments)
      : life_(arguments, "confsvc"),
        path_(arguments.text("--file", "settings.txt")),
        save_time_(arguments.number("--save-ms", 0)) {
    load();
    loop_.on_signal(SIGTERM, [this] { stop(); });
    server_ =
        std::make_unique<Server>(loop_, arguments.text("--listen"),
                                 lines([this](std::string_view line) { return answer(line); }));
  }

  int run() {
    life_.event("ready");
    notify_.ready("serving " + std::to_string(settings_.size()) + " settings");
    return loop_.run();
  }

 private:
  void load() {
    const std::string content = read_file(path_);
    for (std::size_t begin = 0; begin < content.size();) {
      const std::size_t end = std::min(content.find('\n', begin), content.size());
      keep(std::string_view(content).substr(begin, end - begin));
      begin = end + 1;
    }
  }

  // "key value"; false when it is not that.
  bool keep(std::string_view pair) {
    const std::size_t space = pair.find(' ');
    if (space == 0 || space == std::string_view::npos) return false;
    settings_[std::string(pair.substr(0, space))] = pair.substr(space + 1);
    return true;
  }

  std::string answer(std::string_view line) {
    if (line.starts_with("SET ") && keep(line.substr(4))) {
      changed_ = true;
      return "OK";
    }
    if (line.starts_with("GET ")) {
      const auto found = settings_.find(line.substr(4));
      return found == settings_.end() ? "NONE" : "VALUE " + found->second;
    }
    return "ERR say SET <key> <value> or GET <key>";
  }

  void stop() {
    if (stopping_) return life_.event("stop again");
    stopping_ = true;
    life_.event("stop");
    server_->wind_down();
    notify_.stopping(changed_ ? "saving the settings" : "nothing to save");
    if (!changed_) return end();
    notify_.progress("saving the settings", save_time_ + Milliseconds(2000));
    loop_.after(save_time_, [this] {
      save();
      end();
    });
  }

  void save() {
    std::string content;
    for (const auto& [key, value] : settings_)
      content.append(key).append(" ").append(value) += '\n';
    replace_file(path_, content);
    log("saved %zu settings", settings_.size());
  }

  void end() {
    life_.event("end");
    loop_.stop(0);
  }

  Life life_;
  Notify notify_;
  std::string path_;
  Milliseconds save_time_;
  std::map<std::string, std::string, std::less<>> settings_;
  bool changed_ = false;
  bool stopping_ = false;
  Loop loop_;
  std::unique_ptr<Server> server_;
};

}  // namespace
}  // namespace services

int main(int argc, char** argv) {
  const services::Arguments arguments(
      argc, argv, {"--listen", "--file", "--save-ms", "--name", "--events", "--lock", "--count"});
  return services::Configuration(arguments).run();
}
