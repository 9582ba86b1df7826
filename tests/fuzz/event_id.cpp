// Where an event stream is to go on: Last-Event-ID, and the events as they are written. The first
// line is the id that a client sends, the rest a piece of data.
#include <string>

#include "api/event_text.hpp"
#include "api/json_writer.hpp"
#include "core/events.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

constexpr std::uint64_t kEvents = 300;

// Ten of its events are still there.
EventFeed& feed() {
  static EventFeed* const made = [] {
    auto* const fresh = new EventFeed("01KBN8G5ZJ4T1S8Q0V7XH2M3RD", 10);
    for (std::uint64_t n = 0; n < kEvents; ++n)
      fresh->append(std::make_shared<const Service>());
    return fresh;
  }();
  return *made;
}

void check_id(std::string_view id) {
  const auto sequence = feed().sequence(id);
  if (!sequence) return;
  expect(*sequence <= kEvents, "an id is of an event that was", id);
  expect(feed().sequence(feed().id(*sequence)) == sequence, "an id that is given out is one");
  const EventFeed::Batch batch = feed().next(*sequence, Milliseconds{0});
  expect(batch.last == kEvents, "one batch goes to the end");
  expect(batch.gap == (*sequence < kEvents - 10), "what is lost is said to be lost", id);
  std::uint64_t next = batch.gap ? kEvents - 9 : *sequence + 1;
  for (const Event& event : batch.events)
    expect(event.sequence == next++, "no event is missing, none comes twice", id);
}

// An event of this data has to be one event for whoever reads the stream.
void check_text(std::string_view data) {
  api::JsonWriter w;
  w.begin_object().key("status_text").string(data);
  w.end_object();
  const std::string text = api::event_text("service", feed().id(kEvents), w.text());
  expect(text.find('\r') == std::string::npos && text.find("\n\n") == text.size() - 2,
         "an event is one event", text);
  std::size_t lines = 0;
  for (const char c : text)
    lines += c == '\n' ? 1 : 0;
  expect(lines == 4, "an event is id, event and data, a line each", text);
}

void fuzz_event_id(std::string_view input) {
  Input in(input);
  check_id(in.line());
  check_text(in.rest());
}

const Registration registered("event_id", fuzz_event_id);

}  // namespace
}  // namespace noforce::fuzz
