#include "core/scm/systemd/unit_files.hpp"

#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <functional>
#include <system_error>

#include "core/scm/systemd/names.hpp"

namespace noforce::systemd {
namespace {

namespace fs = std::filesystem;

void mix(std::uint64_t& print, std::uint64_t value) {
  constexpr std::uint64_t prime = 1099511628211U;  // FNV-1a
  print = (print ^ value) * prime;
}

void mix(std::uint64_t& print, const std::string& text) {
  mix(print, std::hash<std::string>{}(text));
}

void mix_status(std::uint64_t& print, const struct stat& status) {
  mix(print, static_cast<std::uint64_t>(status.st_mtim.tv_sec));
  mix(print, static_cast<std::uint64_t>(status.st_mtim.tv_nsec));
  mix(print, static_cast<std::uint64_t>(status.st_size));
  mix(print, static_cast<std::uint64_t>(status.st_ino));
}

// The link itself and what it leads to: either may be another one tomorrow.
void mix_file(std::uint64_t& print, const std::string& path) {
  mix(print, path);
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return;
  mix_status(print, status);
  if (S_ISLNK(status.st_mode) && ::stat(path.c_str(), &status) == 0) mix_status(print, status);
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> out;
  std::error_code bad;
  for (fs::directory_iterator at(directory, bad), end; !bad && at != end; at.increment(bad))
    out.push_back(at->path().filename().string());
  return out;
}

// "getty@tty1.service" -> "getty@.service"
std::string template_of(std::string_view unit) {
  const auto at = unit.find('@');
  if (at == std::string_view::npos) return {};
  return std::string(unit.substr(0, at + 1)) + "." + std::string(type_of(unit));
}

}  // namespace

UnitFiles UnitFiles::in(const std::vector<std::string>& directories) {
  UnitFiles out;
  for (const auto& directory : directories) {
    for (const auto& name : names_in(directory))
      out.add(directory, name);
  }
  return out;
}

void UnitFiles::add(const std::string& directory, const std::string& name) {
  const std::string path = directory + "/" + name;
  if (is_unit_name(name)) {
    Entry& entry = entries_[name];
    entry.is_file = true;
    return mix_file(entry.print, path);
  }
  constexpr std::array<std::string_view, 4> folders{".d", ".requires", ".wants", ".upholds"};
  for (const auto& folder : folders) {
    if (!name.ends_with(folder)) continue;
    const std::string of = name.substr(0, name.size() - folder.size());
    Entry& entry = entries_[of];
    mix_file(entry.print, path);
    if (folder != folders.front()) return;
    for (const auto& drop_in : names_in(path))
      mix_file(entry.print, path + "/" + drop_in);
  }
}

std::vector<std::string> UnitFiles::names() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : entries_) {
    if (entry.is_file) out.push_back(name);
  }
  return out;
}

std::uint64_t UnitFiles::print_of(std::string_view unit) const {
  std::uint64_t print = 0;
  for (const auto& name : {std::string(unit), template_of(unit), std::string(type_of(unit))}) {
    const auto found = entries_.find(name);
    if (found != entries_.end()) mix(print, found->second.print);
  }
  return print;
}

}  // namespace noforce::systemd
