#include "api/server/conversation.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <string>
#include <utility>

#include "api/problem.hpp"

namespace noforce::api {
namespace {

constexpr Milliseconds kLinger{500};
// Of who is only told that there is no room: for the handshake, and again for the request.
constexpr Milliseconds kShed{2'000};
// So long a newcomer may take to ask for something before others count more.
constexpr Milliseconds kNewHere{2'000};
// What one client may ask on one connection before it has to make a new one.
constexpr std::size_t kMostRequests = 1'000'000;
// Then others have their turn first.
constexpr std::size_t kMostAtATime = 16;
// What a client may send before it has its answer.
constexpr std::size_t kMostAhead = 128 * 1024;
// So much is nobody's matter.
constexpr std::size_t kFewBytes = 8 * 1024;

MonoTime now() {
  return std::chrono::steady_clock::now();
}

void append_chunk(Connection& connection, std::string_view piece) {
  std::array<char, 16> size{};
  const auto end = std::to_chars(size.data(), size.data() + size.size(), piece.size(), 16).ptr;
  connection.send({size.data(), static_cast<std::size_t>(end - size.data())});
  connection.send("\r\n");
  connection.send(piece);
  connection.send("\r\n");
}

// To whoever speaks plain HTTP to this port.
std::string plain_answer() {
  const Response answer = to_response(
      face_problem(400, "This port speaks HTTPS only; write https:// instead of http://."));
  return "HTTP/1.1 400 Bad Request\r\nContent-Type: " + answer.content_type +
         "\r\nContent-Length: " + std::to_string(answer.body.size()) +
         "\r\nConnection: close\r\n\r\n" + answer.body;
}

// A line break that is none in HTTP: no more of the request would make it one.
bool has_bare_newline(std::string_view text, std::size_t from) {
  for (auto at = text.find('\n', from); at != std::string_view::npos;
       at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') return true;
  }
  return false;
}

Problem overloaded(const std::string& detail) {
  Problem problem = face_problem(503, detail);
  problem.retry_after_s = 1;
  return problem;
}

}  // namespace

Conversation::Conversation(std::unique_ptr<Connection> connection, Admission::Place place,
                           Counter& counter, const ServerLimits& limits)
    : connection_(std::move(connection)),
      place_(std::move(place)),
      counter_(counter),
      limits_(limits) {
  enter(Phase::handshake, place_.is_shed() ? kShed : limits_.handshake);
}

bool Conversation::go_on() {
  paused_ = false;
  pieces_ = 0;
  while (!paused_ && phase_ != Phase::over) {
    switch (phase_) {
      case Phase::handshake:
        shake_hands();
        break;
      case Phase::idle:
        stay_idle();
        break;
      case Phase::head:
        read_head();
        break;
      case Phase::body:
        read_body();
        break;
      case Phase::waiting:
        wait_for_answer();
        break;
      case Phase::streaming:
        stream_on();
        break;
      case Phase::flushing:
        flush();
        break;
      case Phase::lingering:
        linger();
        break;
      case Phase::over:
        break;
    }
  }
  return phase_ != Phase::over && is_within_memory();
}

Conversation::Rank Conversation::rank(MonoTime now) const {
  switch (phase_) {
    case Phase::handshake:
    case Phase::idle:
    case Phase::head:
    case Phase::body:
      if (requests_ == 0) return now - begun_ < kNewHere ? Rank::new_here : Rank::dawdling;
      // Half a request is on its way, or somebody only wants to look busy.
      return phase_ != Phase::idle && now - since_ < kNewHere ? Rank::new_here : Rank::idle;
    case Phase::flushing:
    case Phase::lingering:
      return stream_ ? Rank::busy : Rank::idle;
    default:
      return Rank::busy;
  }
}

// Phases and pauses --------------------------------------------------------------------------------

void Conversation::enter(Phase phase, Milliseconds patience) {
  phase_ = phase;
  since_ = now();
  deadline_ = since_ + patience;
}

void Conversation::pause(Poller::For what, MonoTime until) {
  wait_ = {.what = what, .until = until};
  paused_ = true;
}

void Conversation::pause_for(Io io) {
  pause(io == Io::wants_write ? Poller::For::write : Poller::For::read, deadline_);
}

bool Conversation::is_late() const {
  return now() >= deadline_;
}

bool Conversation::is_within_memory() {
  const std::size_t held = connection_->held();
  return place_.holds(held <= kFewBytes ? 0 : held);
}

void Conversation::shake_hands() {
  switch (const Io io = connection_->handshake()) {
    case Io::done:
      return enter(Phase::idle, place_.is_shed() ? kShed : limits_.idle);
    case Io::ended:
      if (!connection_->is_plain_http()) return end();
      connection_->say_plainly(plain_answer());
      connection_->close();
      return enter(Phase::lingering, kLinger);
    default:
      return is_late() ? end() : pause_for(io);
  }
}

void Conversation::stay_idle() {
  if (!connection_->input().empty()) {
    looked_through_ = 0;
    return enter(Phase::head, limits_.head);
  }
  switch (const Io io = connection_->read()) {
    case Io::done:
      return;
    case Io::ended:
      return end();
    default:
      if (counter_.is_ending() || is_late()) {
        connection_->close();
        return end();
      }
      connection_->let_buffers_go();
      return pause_for(io);
  }
}

// A request ----------------------------------------------------------------------------------------

void Conversation::read_head() {
  const std::string_view input = connection_->input();
  const auto blank = input.find("\r\n\r\n", looked_through_);
  const std::size_t size = blank == std::string_view::npos ? input.size() : blank + 4;
  if (size > limits_.head_bytes)
    return refuse(face_problem(431, "The request line and the header fields may have " +
                                        std::to_string(limits_.head_bytes) + " bytes in all."));
  if (blank != std::string_view::npos) return begin_request(size);
  if (has_bare_newline(input, looked_through_))
    return refuse(face_problem(400, "A line of the header does not end in CR LF."));
  looked_through_ = size < 3 ? 0 : size - 3;
  read_on();
}

void Conversation::read_on() {
  switch (const Io io = connection_->read()) {
    case Io::done:
      return;
    case Io::ended:
      return end();
    default:
      return is_late() ? refuse_late() : pause_for(io);
  }
}

void Conversation::begin_request(std::size_t head_size) {
  if (place_.is_shed())
    return refuse(overloaded("All connections of the agent are in use; try again in a moment."));
  const auto head = parse_head(connection_->input().substr(0, head_size), limits_);
  if (!head) return refuse(head.error());
  head_size_ = head_size;
  request_size_ = head_size + head->content_length;
  if (connection_->input().size() >= request_size_) return answer_request(*head);
  enter(Phase::body, limits_.body);
}

void Conversation::read_body() {
  if (connection_->input().size() >= request_size_) {
    // What was read since may have moved the buffer, so the views into the head are made again.
    const auto head = parse_head(connection_->input().substr(0, head_size_), limits_);
    return head ? answer_request(*head) : refuse(head.error());
  }
  read_on();
}

void Conversation::answer_request(const Head& head) {
  ++requests_;
  form_ = {.head_only = head.method == "HEAD",
           .chunked = head.is_http11,
           .close = !head.keep_alive || requests_ >= kMostRequests};
  const std::string_view body = connection_->input().substr(head_size_, request_size_ - head_size_);
  Response response = counter_.answer(head, body, *connection_);
  connection_->consume(request_size_);
  if (!response.later) return give(std::move(response));
  later_ = std::move(response.later);
  phase_ = Phase::waiting;
  deadline_ = later_->due();
}

void Conversation::wait_for_answer() {
  const bool at_last = counter_.is_ending() || is_late();
  if (auto response = later_->look(at_last)) {
    later_.reset();
    return give(std::move(*response));
  }
  if (at_last || !is_there()) return end();
  connection_->let_buffers_go();
  pause(Poller::For::read, deadline_);
}

// Its answer ---------------------------------------------------------------------------------------

void Conversation::give(Response response) {
  bool streams = false;
  if (response.stream && !form_.head_only) {
    streams = place_.take_stream();
    if (!streams)
      response = to_response(
          overloaded("There are too many event streams; end one of them, or try again later."));
  }
  form_.chunked = form_.chunked && streams;
  // A stream ends with its connection.
  form_.close = form_.close || streams || counter_.is_ending();
  if (!counter_.write(*connection_, response, form_)) return end();
  if (streams) stream_ = std::move(response.stream);
  enter(Phase::flushing, limits_.write);
}

void Conversation::flush() {
  switch (const Io io = connection_->flush()) {
    case Io::done:
      if (!stream_) return finish();
      phase_ = Phase::streaming;
      return;
    case Io::ended:
      return end();
    default:
      return is_late() ? end() : pause_for(io);
  }
}

void Conversation::stream_on() {
  if (!is_there()) return end();
  if (pieces_++ >= kMostAtATime) return pause(Poller::For::read, now());
  std::string piece;
  const bool more = !counter_.is_ending() && stream_->next(piece);
  if (!piece.empty()) {
    if (form_.chunked) {
      append_chunk(*connection_, piece);
    } else {
      connection_->send(piece);
    }
  }
  if (!more) {
    if (form_.chunked) connection_->send("0\r\n\r\n");
    stream_.reset();
  }
  if (connection_->has_unsent() || !more) return enter(Phase::flushing, limits_.write);
  connection_->let_buffers_go();
  pause(Poller::For::read, stream_->due());
}

bool Conversation::is_there() {
  while (connection_->input().size() <= kMostAhead) {
    const Io io = connection_->read();
    if (io != Io::done) return io != Io::ended;
  }
  return false;
}

void Conversation::finish() {
  if (!form_.close) {
    enter(Phase::idle, limits_.idle);
    // What was sent ahead has to wait until others had their turn.
    if (requests_ % kMostAtATime == 0 && !connection_->input().empty())
      pause(Poller::For::write, deadline_);
    return;
  }
  // What the client still sends would make the system drop the answer on its way.
  connection_->close();
  enter(Phase::lingering, kLinger);
}

void Conversation::linger() {
  const Io io = connection_->read_away();
  if (io != Io::wants_read || is_late()) return end();
  pause_for(io);
}

void Conversation::refuse(const Problem& problem) {
  form_ = {.head_only = false, .chunked = false, .close = true};
  give(to_response(problem));
}

void Conversation::refuse_late() {
  const Milliseconds time = phase_ == Phase::body ? limits_.body : limits_.head;
  refuse(face_problem(400, std::string("The request did not come in time; send its ") +
                               (phase_ == Phase::body ? "body" : "header") + " within " +
                               std::to_string(std::chrono::ceil<Seconds>(time).count()) + " s."));
}

}  // namespace noforce::api
