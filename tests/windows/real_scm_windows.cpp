#include "tests/windows/real_scm_windows.hpp"

#include <windows.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "core/windows_handle.hpp"

namespace noforce::windows::testing {

namespace fs = std::filesystem;

std::string host_program() {
  const char* folder = std::getenv("NOFORCE_SERVICES_DIR");
  const fs::path path =
      fs::path(folder != nullptr ? folder : NOFORCE_SERVICES_DIR) / "svc_hosted.exe";
  return fs::absolute(path).make_preferred().string();
}

ARealScm::ARealScm() {
  prefix_ =
      "nft" + std::to_string(GetCurrentProcessId()) + "-" +
      std::to_string(std::chrono::steady_clock::now().time_since_epoch().count() % 1'000'000) + "-";
  folder_ = fs::temp_directory_path() / (prefix_ + "folder");
  fs::create_directories(folder_);
  installer_ = std::make_unique<services::windows::Installer>(folder_.string(), host_program());
}

ARealScm::~ARealScm() {
  for (const auto& name : installed_)
    behave(name, "");
  for (const auto& name : installed_) {
    if (scm_ == nullptr || service(name).state == ServiceState::stopped) continue;
    EXPECT_TRUE(wait([&] { return !is_pending(service(name).state); })) << name;
    if (!service(name).instance) continue;
    EXPECT_TRUE(wait([&] { return service(name).accepts.stop; })) << name;
    (void)control(ControlOp::stop, name);
    EXPECT_TRUE(wait_gone(name)) << name;
  }
  scm_.reset();
  EXPECT_TRUE(installer_->remove(installed_));
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string ARealScm::install(const std::string& name, const std::vector<std::string>& depends_on) {
  const std::string whole = prefix_ + name;
  EXPECT_TRUE(installer_->install({{.name = whole,
                                    .display_name = name + " of a test",
                                    .process = {},
                                    .depends_on = depends_on,
                                    .load_group = {}}}));
  installed_.push_back(whole);
  return whole;
}

void ARealScm::uninstall(const std::string& name) {
  EXPECT_TRUE(installer_->remove({name}));
  std::erase(installed_, name);
}

void ARealScm::behave(const std::string& service, const std::string& lines) {
  const fs::path next = folder_ / (service + ".next");
  std::ofstream(next) << lines;
  put_in_place(next, folder_ / (service + ".control"));
}

std::vector<std::string> ARealScm::events(const std::string& service) const {
  std::vector<std::string> lines;
  std::ifstream in(folder_ / (service + ".events"));
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

int ARealScm::count(const std::string& service, const std::string& event) const {
  const auto all = events(service);
  return static_cast<int>(std::count(all.begin(), all.end(), event));
}

Result<void> ARealScm::begin() {
  scm_.reset();
  scm_ = std::make_unique<WindowsScm>(WindowsOptions{.state_dir = folder_, .own_service = {}});
  return scm_->start(listener_, Milliseconds(20'000));
}

noforce::Service ARealScm::service(const std::string& name) const {
  const PicturePtr picture = scm_->snapshot();
  const noforce::Service* found = picture->find(name);
  return found == nullptr ? noforce::Service{} : *found;
}

ControlToken ARealScm::send(ControlOp op, const std::string& name) {
  const ControlToken token{
      .job = "01KB" + std::to_string(GetCurrentProcessId()), .step = next_++, .attempt = 1};
  Control control{.op = op, .service = name, .token = token, .comment = "noforce job of a test"};
  if (op != ControlOp::start) control.instance = service(name).instance;
  scm_->submit(std::move(control));
  return token;
}

Result<void> ARealScm::answer(const ControlToken& token) {
  if (!wait([&] { return listener_.answer(token).has_value(); })) {
    return fail(ErrorKind::internal, "no answer came");
  }
  return *listener_.answer(token);
}

void put_in_place(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  for (int tries = 0; tries < 500; ++tries) {
    fs::rename(from, to, failed);
    if (!failed) return;
    Sleep(10);
  }
  ADD_FAILURE() << to.string() << ": " << failed.message();
}

bool runs(std::int64_t pid) {
  const WindowsHandle process(OpenProcess(SYNCHRONIZE, FALSE, static_cast<DWORD>(pid)));
  return process && WaitForSingleObject(process.get(), 0) == WAIT_TIMEOUT;
}

}  // namespace noforce::windows::testing
