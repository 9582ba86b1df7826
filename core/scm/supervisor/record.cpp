#include "core/scm/supervisor/record.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/scm/supervisor/fields.hpp"
#include "core/scm/supervisor/protocol.hpp"

namespace noforce::supervisor {
namespace {

// A slot: magic, sequence, length and checksum of the record (8 bytes each), then the record.
constexpr std::uint64_t kMagic = 0x31306e75722d666e;  // "nf-run01"
constexpr std::size_t kSlotHead = 32;
constexpr std::size_t kMaxRecord = RecordFile::kSlotSize - kSlotHead;

void append_number(std::string& out, std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) {
    out += static_cast<char>((value >> shift) & 0xff);
  }
}

std::uint64_t number_at(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return value;
}

std::string encode_token_record(const TokenRecord& token) {
  FieldWriter out;
  out.text(1, encode_token(token.token)).number(2, static_cast<std::uint64_t>(token.op));
  if (token.answered) out.text(3, encode_result(token.result));
  return out.take();
}

TokenRecord decode_token_record(std::string_view bytes) {
  TokenRecord token;
  FieldReader reader(bytes);
  while (const auto f = reader.next()) {
    if (f->tag == 1) token.token = decode_token(f->bytes);
    if (f->tag == 2 && f->number() <= static_cast<std::uint64_t>(ControlOp::reload)) {
      token.op = static_cast<ControlOp>(f->number());
    }
    if (f->tag == 3) {
      token.answered = true;
      token.result = decode_result(f->bytes);
    }
  }
  return token;
}

constexpr std::uint64_t kExecuted = 1;
constexpr std::uint64_t kSaidReady = 2;
constexpr std::uint64_t kTcpReady = 4;
constexpr std::uint64_t kStopAsked = 8;
constexpr std::uint64_t kRestartDue = 16;

std::uint64_t flags_of(const Record& r) {
  return (r.executed ? kExecuted : 0) | (r.said_ready ? kSaidReady : 0) |
         (r.tcp_ready ? kTcpReady : 0) | (r.stop_asked ? kStopAsked : 0) |
         (r.restart_due ? kRestartDue : 0);
}

void read_field(const Field& f, Record& r) {
  switch (f.tag) {
    case 1:
      r.boot = f.text();
      break;
    case 2:
      if (f.number() <= static_cast<std::uint64_t>(ServiceState::paused)) {
        r.state = static_cast<ServiceState>(f.number());
      }
      break;
    case 3:
      r.main.pid = f.signed_number();
      break;
    case 4:
      r.main.start_time = f.number();
      break;
    case 5:
      r.key = f.text();
      break;
    case 6: {
      const std::uint64_t flags = f.number();
      r.executed = (flags & kExecuted) != 0;
      r.said_ready = (flags & kSaidReady) != 0;
      r.tcp_ready = (flags & kTcpReady) != 0;
      r.stop_asked = (flags & kStopAsked) != 0;
      r.restart_due = (flags & kRestartDue) != 0;
      break;
    }
    case 7:
      r.failures = static_cast<std::uint32_t>(f.number());
      break;
    case 8:
      r.checkpoint = f.number();
      break;
    case 9:
      r.wait_hint_ms = f.signed_number();
      break;
    case 10:
      r.last_progress_ns = f.signed_number();
      break;
    case 11:
      r.status_text = f.text();
      break;
    case 12:
      r.exit.emplace();
      break;
    case 13:
      if (!r.exit) r.exit.emplace();
      r.exit->code = f.signed_number();
      break;
    case 14:
      r.since_ms = f.signed_number();
      break;
    case 15:
      r.notify_address = f.text();
      break;
    case 16:
      if (r.tokens.size() < kTokensKept) r.tokens.push_back(decode_token_record(f.bytes));
      break;
    case 17:
      r.started_ns = f.signed_number();
      break;
    case 18:
      r.launched_as = f.number();
      break;
    default:
      break;
  }
}

}  // namespace

std::string encode_record(const Record& r) {
  const auto bits = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  FieldWriter out;
  out.text(1, r.boot).number(2, static_cast<std::uint64_t>(r.state));
  out.number(3, bits(r.main.pid)).number(4, r.main.start_time).text(5, r.key);
  out.number(6, flags_of(r)).number(7, r.failures).number(8, r.checkpoint);
  out.number(9, bits(r.wait_hint_ms)).number(10, bits(r.last_progress_ns));
  out.text(11, r.status_text);
  if (r.exit) {
    out.number(12, 1);
    if (r.exit->code) out.number(13, bits(*r.exit->code));
  }
  out.number(14, bits(r.since_ms)).text(15, r.notify_address).number(17, bits(r.started_ns));
  if (r.launched_as != 0) out.number(18, r.launched_as);
  for (const auto& token : r.tokens)
    out.text(16, encode_token_record(token));
  return out.take();
}

std::optional<Record> decode_record(std::string_view bytes) {
  Record record;
  FieldReader reader(bytes);
  while (const auto field = reader.next())
    read_field(*field, record);
  if (!reader.well_formed()) return std::nullopt;
  return record;
}

std::expected<RecordFile, int> RecordFile::open(int folder, std::string_view name) {
  const std::string path = std::string(name) + ".run";
  Fd file(::openat(folder, path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return std::unexpected(errno);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return std::unexpected(errno);
  if (static_cast<std::size_t>(status.st_size) < 2 * kSlotSize) {
    const int failed = ::posix_fallocate(file.get(), 0, 2 * kSlotSize);
    if (failed != 0) return std::unexpected(failed);
  }
  RecordFile out(std::move(file));
  for (int slot = 0; slot < 2; ++slot) {
    const auto found = out.read_slot(slot);
    if (found && found->first > out.sequence_) out.sequence_ = found->first;
  }
  return out;
}

bool RecordFile::exists(int folder, std::string_view name) {
  const std::string path = std::string(name) + ".run";
  return ::faccessat(folder, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

std::optional<std::pair<std::uint64_t, std::string>> RecordFile::read_slot(int slot) const {
  std::string bytes(kSlotSize, '\0');
  const ssize_t got = ::pread(file_.get(), bytes.data(), bytes.size(),
                              static_cast<off_t>(slot) * static_cast<off_t>(kSlotSize));
  if (got < static_cast<ssize_t>(kSlotHead)) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(got));
  const std::uint64_t sequence = number_at(bytes, 8);
  const std::uint64_t length = number_at(bytes, 16);
  if (number_at(bytes, 0) != kMagic || sequence == 0 ||
      sequence % 2 != static_cast<unsigned>(slot) || length > bytes.size() - kSlotHead) {
    return std::nullopt;
  }
  std::string record = bytes.substr(kSlotHead, length);
  if (number_at(bytes, 24) != checksum(record)) return std::nullopt;
  return std::pair(sequence, std::move(record));
}

std::optional<Record> RecordFile::load() {
  std::optional<std::pair<std::uint64_t, std::string>> newest;
  for (int slot = 0; slot < 2; ++slot) {
    auto found = read_slot(slot);
    if (found && (!newest || found->first > newest->first)) newest = std::move(found);
  }
  if (!newest) return std::nullopt;
  return decode_record(newest->second);
}

int RecordFile::save(const Record& record) {
  std::string bytes = encode_record(record);
  if (bytes.size() > kMaxRecord) {
    Record smaller = record;
    while (bytes.size() > kMaxRecord) {
      if (smaller.tokens.empty()) return EMSGSIZE;
      smaller.tokens.erase(smaller.tokens.begin());
      bytes = encode_record(smaller);
    }
  }
  const std::uint64_t sequence = sequence_ + 1;
  std::string slot;
  slot.reserve(kSlotHead + bytes.size());
  append_number(slot, kMagic);
  append_number(slot, sequence);
  append_number(slot, bytes.size());
  append_number(slot, checksum(bytes));
  slot += bytes;
  const off_t at = static_cast<off_t>(sequence % 2) * static_cast<off_t>(kSlotSize);
  const ssize_t wrote = ::pwrite(file_.get(), slot.data(), slot.size(), at);
  if (wrote != static_cast<ssize_t>(slot.size())) return wrote < 0 ? errno : ENOSPC;
  sequence_ = sequence;
  return 0;
}

}  // namespace noforce::supervisor
