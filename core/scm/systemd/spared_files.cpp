#include "core/scm/systemd/spared_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>

#include "core/fd.hpp"
#include "core/scm/systemd/names.hpp"
#include "core/scm/systemd/sparing.hpp"

namespace noforce::systemd {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> cannot(const std::string& what, int number) {
  Error error{.kind = number == EACCES || number == EPERM || number == EROFS
                          ? ErrorKind::access_denied
                          : ErrorKind::scm_failure,
              .detail = what + ": " + std::generic_category().message(number)};
  error.native_code = number;
  return std::unexpected(std::move(error));
}

Result<void> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return cannot("cannot write " + path, errno);
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

// Whole or not at all, whoever reads meanwhile; on disk when it returns.
Result<void> write_file(const std::string& path, std::string_view text, mode_t mode) {
  const std::string next = path + ".new";
  const Fd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return cannot("cannot write " + next, errno);
  auto written = write_all(fd.get(), text, next);
  if (written && ::fchmod(fd.get(), mode) != 0) written = cannot("cannot write " + next, errno);
  if (written && ::fsync(fd.get()) != 0) written = cannot("cannot write " + next, errno);
  if (written && ::rename(next.c_str(), path.c_str()) != 0) {
    written = cannot("cannot write " + path, errno);
  }
  if (!written) ::unlink(next.c_str());
  return written;
}

void sync_directory(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) (void)::fsync(fd.get());
}

Result<void> make_directory(const std::string& path, mode_t mode) {
  std::error_code bad;
  fs::create_directories(fs::path(path).parent_path(), bad);
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return cannot("cannot make " + path, errno);
  }
  return {};
}

}  // namespace

std::string to_text(const SparedRecord& record) {
  std::string text = "instance " + record.instance + "\n";
  for (const auto& job : record.jobs)
    text += "job " + job + "\n";
  return text;
}

SparedRecord record_from(const std::string& text) {
  SparedRecord record;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("instance ")) record.instance = line.substr(9);
    if (line.starts_with("job ")) record.jobs.insert(line.substr(4));
  }
  return record;
}

Result<std::map<std::string, SparedRecord>> SparedFiles::read_all() const {
  std::map<std::string, SparedRecord> out;
  std::error_code bad;
  fs::directory_iterator files(records_, bad);
  if (bad == std::errc::no_such_file_or_directory) return out;
  if (bad) return cannot("cannot read " + records_, bad.value());
  for (const auto& file : files) {
    const std::string unit = file.path().filename().string();
    if (!is_unit_name(unit)) continue;
    std::ifstream in(file.path());
    std::ostringstream text;
    text << in.rdbuf();
    out.emplace(unit, record_from(text.str()));
  }
  return out;
}

Result<void> SparedFiles::write_record(const std::string& unit, const SparedRecord& record) const {
  if (auto made = make_directory(records_, 0700); !made) return made;
  auto written = write_file(records_ + "/" + unit, to_text(record), 0600);
  if (written) sync_directory(records_);
  return written;
}

void SparedFiles::remove_record(const std::string& unit) const {
  ::unlink((records_ + "/" + unit).c_str());
}

std::string SparedFiles::drop_in_of(const std::string& unit) const {
  return units_ + "/" + unit + ".d/" + kDropIn;
}

Result<void> SparedFiles::write_drop_in(const std::string& unit, const std::string& text) const {
  if (!is_unit_name(unit)) return fail(ErrorKind::internal, "'" + unit + "' is no unit's name");
  if (auto made = make_directory(units_ + "/" + unit + ".d", 0755); !made) return made;
  return write_file(drop_in_of(unit), text, 0644);
}

Result<void> SparedFiles::remove_drop_in(const std::string& unit) const {
  const std::string path = drop_in_of(unit);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return cannot("cannot remove " + path, errno);
  ::rmdir((units_ + "/" + unit + ".d").c_str());  // stays where others have something in it
  return {};
}

bool SparedFiles::has_drop_in(const std::string& unit) const {
  return ::access(drop_in_of(unit).c_str(), F_OK) == 0;
}

}  // namespace noforce::systemd
