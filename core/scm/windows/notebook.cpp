#include "core/scm/windows/notebook.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <utility>

#include "core/log.hpp"

namespace noforce::windows {
namespace {

constexpr std::string_view kMagic = "noforce-notes-1";
constexpr std::array kOps{ControlOp::stop, ControlOp::start, ControlOp::pause, ControlOp::resume,
                          ControlOp::reload};

std::uint64_t sum_of(std::string_view text) {  // FNV-1a: against torn writes, not against people
  std::uint64_t sum = 14'695'981'039'346'656'037U;
  for (const char c : text) {
    sum ^= static_cast<unsigned char>(c);
    sum *= 1'099'511'628'211U;
  }
  return sum;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <typename T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<ControlOp> op_of(std::string_view text) {
  for (const auto op : kOps) {
    if (to_string(op) == text) return op;
  }
  return std::nullopt;
}

std::optional<Note> note_of(const std::vector<std::string_view>& part) {
  if (part.size() != 9) return std::nullopt;
  const auto step = number<std::uint32_t>(part[2]);
  const auto attempt = number<std::uint32_t>(part[3]);
  const auto op = op_of(part[4]);
  const auto sent = number<std::int64_t>(part[7]);
  if (!step || !attempt || !op || !sent) return std::nullopt;
  Note note{.token = {.job = std::string(part[1]), .step = *step, .attempt = *attempt},
            .op = *op,
            .service = std::string(part[5]),
            .key = std::string(part[6]),
            .sent_ns = *sent,
            .answer = {}};
  if (part[8] != "-") {
    note.answer = number<Code>(part[8]);
    if (!note.answer) return std::nullopt;
  }
  return note;
}

struct Place {
  std::uint64_t sequence = 0;
  std::string text;
};

// "noforce-notes-1 SEQUENCE LENGTH SUM\n" and the text.
std::optional<Place> place_of(std::string_view bytes) {
  const std::size_t head = bytes.find('\n');
  if (head == std::string_view::npos) return std::nullopt;
  const auto part = split(bytes.substr(0, head), ' ');
  if (part.size() != 4 || part[0] != kMagic) return std::nullopt;
  const auto sequence = number<std::uint64_t>(part[1]);
  const auto length = number<std::size_t>(part[2]);
  const auto sum = number<std::uint64_t>(part[3]);
  if (!sequence || !length || !sum || head + 1 + *length > bytes.size()) return std::nullopt;
  const std::string_view text = bytes.substr(head + 1, *length);
  if (sum_of(text) != *sum) return std::nullopt;
  return Place{*sequence, std::string(text)};
}

}  // namespace

std::string encode(const Notes& notes) {
  std::string text;
  for (const auto& [service, runs] : notes.runs) {
    text += "run\t" + service + "\t" + runs.process + "\t" + std::to_string(runs.count) + "\n";
  }
  for (const auto& note : notes.controls) {
    text += "control\t" + note.token.job + "\t" + std::to_string(note.token.step) + "\t" +
            std::to_string(note.token.attempt) + "\t" + std::string(to_string(note.op)) + "\t" +
            note.service + "\t" + note.key + "\t" + std::to_string(note.sent_ns) + "\t" +
            (note.answer ? std::to_string(*note.answer) : "-") + "\n";
  }
  return text;
}

Notes decode_notes(std::string_view text) {
  Notes notes;
  for (const auto line : split(text, '\n')) {
    const auto part = split(line, '\t');
    if (part[0] == "control") {
      if (auto note = note_of(part)) notes.controls.push_back(std::move(*note));
    } else if (part[0] == "run" && part.size() == 4) {
      if (const auto count = number<std::uint32_t>(part[3])) {
        notes.runs[std::string(part[1])] = {.process = std::string(part[2]), .count = *count};
      }
    }
  }
  return notes;
}

Notebook::Notebook(std::filesystem::path file) : file_(std::move(file)) {
  if (file_.empty()) return;
  std::ifstream in(file_, std::ios::binary);
  std::string bytes(2 * kPlace, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const std::string_view all(bytes);
  for (const std::size_t at : {std::size_t{0}, kPlace}) {
    auto place = place_of(all.substr(at, kPlace));
    if (!place || place->sequence < sequence_) continue;
    sequence_ = place->sequence;
    notes_ = decode_notes(place->text);
  }
  if (!save()) log_warning("windows", "controls cannot be noted in " + file_.string());
}

const Note* Notebook::find(const ControlToken& token) const {
  const auto found = std::find_if(notes_.controls.rbegin(), notes_.controls.rend(),
                                  [&](const Note& note) { return note.token == token; });
  return found == notes_.controls.rend() ? nullptr : &*found;
}

bool Notebook::add(Note note) {
  std::erase_if(notes_.controls, [&](const Note& it) { return it.token == note.token; });
  notes_.controls.push_back(std::move(note));
  return save();
}

void Notebook::answer(const ControlToken& token, Code code) {
  for (auto& note : notes_.controls) {
    if (note.token == token) note.answer = code;
  }
  // Unsaved, the note stays one without an answer, which is the careful reading of it.
  (void)save();
}

void Notebook::remember(const std::string& service, const Followed::Runs& runs) {
  auto& known = notes_.runs[service];
  if (known == runs) return;
  known = runs;
  (void)save();
}

void Notebook::trim() {
  auto& all = notes_.controls;
  while (all.size() > kMostControls) {
    const auto answered = std::find_if(all.begin(), all.end(),
                                       [](const Note& note) { return note.answer.has_value(); });
    all.erase(answered == all.end() ? all.begin() : answered);
  }
}

bool Notebook::save() {
  trim();
  if (file_.empty()) return true;
  std::string text = encode(notes_);
  constexpr std::size_t kHead = 100;
  while (text.size() + kHead > kPlace && !notes_.controls.empty()) {
    notes_.controls.erase(notes_.controls.begin());
    text = encode(notes_);
  }
  ++sequence_;
  std::string bytes = std::string(kMagic) + " " + std::to_string(sequence_) + " " +
                      std::to_string(text.size()) + " " + std::to_string(sum_of(text)) + "\n" +
                      text;
  if (bytes.size() > kPlace) return false;
  std::error_code ignored;
  if (std::filesystem::file_size(file_, ignored) != 2 * kPlace) {
    std::ofstream made(file_, std::ios::binary | std::ios::trunc);
    made << std::string(2 * kPlace, '\0');
    if (!made.flush()) return false;
  }
  std::fstream out(file_, std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(static_cast<std::streamoff>(sequence_ % 2 * kPlace));
  out << bytes;
  return static_cast<bool>(out.flush());
}

Repeat decide_repeat(const Note& note, const Service* service, MonoTime now) {
  if (service == nullptr) return {.code = code::does_not_exist};
  if (note.op == ControlOp::start) {
    if (is_up(service->state)) return {};
    return {.what = Repeat::Do::send};
  }
  if (!service->instance || service->instance->key != note.key) return {.code = code::not_active};
  switch (service->state) {
    case ServiceState::stopped:
    case ServiceState::stop_pending:
      return {.code = note.op == ControlOp::stop ? code::success : code::not_active};
    case ServiceState::paused:
    case ServiceState::pause_pending:
      if (note.op == ControlOp::pause) return {};
      break;
    case ServiceState::running:
    case ServiceState::continue_pending:
      if (note.op == ControlOp::resume) return {};
      break;
    case ServiceState::start_pending:
      break;
  }
  const MonoTime sent{std::chrono::nanoseconds(note.sent_ns)};
  const MonoTime until = sent + kHandlerTime + kHandlerGrace;
  if (sent <= now && now < until) return {.what = Repeat::Do::wait, .until = until};
  return {.what = Repeat::Do::send};
}

}  // namespace noforce::windows
