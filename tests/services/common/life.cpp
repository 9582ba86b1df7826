#include "tests/services/common/life.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "tests/services/common/log.hpp"

namespace services {

namespace {

constexpr int doubled = 99;

void write_all(const Fd& file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(file.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) die("write");
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

Life::Life(const Arguments& arguments, std::string_view otherwise)
    : name_(arguments.text("--name", otherwise)) {
  if (const std::string path = arguments.text("--events"); !path.empty())
    events_ = open_to_append(path);
  if (const std::string path = arguments.text("--lock"); !path.empty()) {
    lock_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock_) die(path.c_str());
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) < 0) {
      event("doubled");
      std::exit(doubled);
    }
  }
  if (const std::string path = arguments.text("--count"); !path.empty()) {
    lines_ = std::max(0L, to_number(read_file(path)));
    count_ = Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!count_) die(path.c_str());
  }
  event("start");
}

void Life::line(std::string_view what) {
  std::string text = name_ + ' ' + std::to_string(::getpid()) + ' ' + std::string(what);
  if (count_) {
    const std::string number = std::to_string(++lines_);
    text += " #" + number;
    // Numbers only grow, so the shorter one before it is covered.
    if (::pwrite(count_.get(), number.data(), number.size(), 0) < 0) die("--count");
  }
  log("%s", text.c_str());
}

void Life::event(std::string_view what) {
  line(what);
  if (!events_) return;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const long long ms = now.tv_sec * 1000LL + now.tv_nsec / 1'000'000;
  write_all(events_, std::to_string(ms) + ' ' + name_ + ' ' + std::to_string(::getpid()) + ' ' +
                         std::string(what) + '\n');
}

void append_durably(const Fd& file, std::string_view text) {
  write_all(file, text);
  if (::fsync(file.get()) < 0) die("fsync");
}

Fd open_to_append(const std::string& path) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file) die(path.c_str());
  return file;
}

void replace_file(const std::string& path, std::string_view content) {
  const std::string fresh = path + ".new";
  {
    const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) die(fresh.c_str());
    append_durably(file, content);
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0) die(path.c_str());
}

std::string read_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string content;
  std::array<char, 4096> buffer{};
  while (file) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count <= 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return content;
}

}  // namespace services
