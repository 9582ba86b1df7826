#include "core/audit.hpp"

#include "core/digest.hpp"

namespace noforce {
namespace {

// Length first, so that no content can look like the end of a field.
void add_field(std::string& out, const std::string& value) {
  out += std::to_string(value.size());
  out += ':';
  out += value;
  out += '\n';
}

void add_field(std::string& out, std::uint64_t value) {
  add_field(out, std::to_string(value));
}

}  // namespace

std::string AuditRow::canonical() const {
  std::string out;
  add_field(out, number);
  add_field(out, std::to_string(at.time_since_epoch().count()));
  add_field(out, entry.principal);
  add_field(out, entry.address);
  add_field(out, entry.event);
  add_field(out, entry.outcome);
  add_field(out, entry.job);
  add_field(out, entry.services.size());
  for (const std::string& service : entry.services)
    add_field(out, service);
  add_field(out, entry.detail);
  add_field(out, entry.count);
  return out;
}

std::string audit_hash(const std::string& previous, const AuditRow& row) {
  return sha256_hex(previous + "\n" + row.canonical());
}

}  // namespace noforce
