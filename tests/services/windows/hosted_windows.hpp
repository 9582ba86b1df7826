// One service of a host process, as Windows knows it: reports its states, takes controls, and behaves
// as its control file says.
#pragma once

#include <winsock2.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "tests/services/windows/behaviour.hpp"
#include "tests/services/windows/spool_windows.hpp"

namespace services::windows {

class Hosted {
 public:
  // Its files are FOLDER\NAME.control, .events (a line each: "stop", "running"...), .times ("stopped
  // MICROSECONDS", since 1970, right before it is reported), .spool.
  Hosted(std::filesystem::path folder, std::string name, bool shared);

  // ServiceMain: from the start until STOPPED is reported.
  void run();

 private:
  using Milliseconds = unsigned long;

  static DWORD WINAPI handle(DWORD control, DWORD, void*, void* context);
  DWORD take(DWORD control);

  void report(DWORD state, Milliseconds hint = 0);
  void report_progress(Milliseconds step);
  void event(const std::string& what);
  [[noreturn]] void crash(unsigned long code);
  void stopped(unsigned long own_code);  // 0: well

  // Each returns once the behaviour is through; false: the file names another one meanwhile.
  bool go_through(const char* key, DWORD state);
  bool progress(const char* key, const Behaviour& it);
  bool rest(Milliseconds time, const char* key, const Behaviour& it);
  void start();
  void stop();
  void flush();
  void save();
  DWORD next_control();
  DWORD current_state();

  std::filesystem::path folder_;
  std::string name_;
  bool shared_;
  ControlFile control_;
  std::unique_ptr<Spool> spool_;
  SERVICE_STATUS_HANDLE handle_ = nullptr;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<DWORD> controls_;
  SERVICE_STATUS status_{};
};

}  // namespace services::windows
