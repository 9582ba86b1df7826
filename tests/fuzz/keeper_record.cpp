// The keeper's records: NAME.run, which may have been torn by a power cut or written by another
// release, and the fields that it is made of.
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "core/scm/supervisor/record.hpp"
#include "tests/fuzz/support/fuzz.hpp"
#include "tests/fuzz/support/temporary_directory.hpp"

namespace noforce::fuzz {
namespace {

using supervisor::Record;
using supervisor::RecordFile;

void check_bytes(std::string_view bytes) {
  const auto record = supervisor::decode_record(bytes);
  if (!record) return;
  expect(record->tokens.size() <= supervisor::kTokensKept, "the tokens are bounded");
  const auto again = supervisor::decode_record(supervisor::encode_record(*record));
  expect(again == record, "a record that was read can be written");
}

// The input as the file itself.
void check_file(std::string_view bytes) {
  static const TemporaryDirectory directory;
  static const Fd folder(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  static const std::string path = directory.path() + "/w3svc.run";
  bytes = bytes.substr(0, 2 * RecordFile::kSlotSize + 1);
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  expect(
      file && ::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
      "the record can be put there");

  auto opened = RecordFile::open(folder.get(), "w3svc");
  expect(opened.has_value(), "whatever a record holds, it can be opened");
  auto found = opened->load();
  Record next = found.value_or(Record{});
  next.checkpoint += 1;
  // What no longer fits is told, and leaves what was there.
  const int failed = opened->save(next);
  auto reopened = RecordFile::open(folder.get(), "w3svc");
  expect(reopened.has_value(), "a record that was written can be opened");
  const auto kept = reopened->load();
  if (failed != 0) return expect(kept == found, "a save that fails leaves what was there");
  expect(kept.has_value() && kept->checkpoint == next.checkpoint, "what was saved is there");
}

void fuzz_keeper_record(std::string_view input) {
  Input in(input);
  if (in.byte() == 'f') return check_file(in.rest());
  check_bytes(in.rest());
}

const Registration registered("keeper_record", fuzz_keeper_record);

}  // namespace
}  // namespace noforce::fuzz
