// One connection's life, from the handshake to the goodbye, as a state machine that never waits:
// whoever holds it lets it go on until it says what it waits for.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "api/server/admission.hpp"
#include "api/server/connection.hpp"
#include "api/server/head.hpp"
#include "api/server/message.hpp"
#include "api/server/poller.hpp"
#include "api/server/server.hpp"

namespace noforce::api {

// How an answer is put on the wire.
struct AnswerForm {
  bool head_only = false;
  bool chunked = false;  // a stream, to a client that knows chunks
  bool close = false;    // after this answer
};

// What a conversation needs from the server around it. Any thread.
class Counter {
 public:
  virtual ~Counter() = default;
  [[nodiscard]] virtual Response answer(const Head& head, std::string_view body,
                                        const Connection& connection) = 0;
  // Puts the answer's head, and the body where it has one, into the connection's output.
  [[nodiscard]] virtual bool write(Connection& connection, Response& response,
                                   const AnswerForm& form) = 0;
  [[nodiscard]] virtual bool is_ending() const = 0;
};

class Conversation {
 public:
  Conversation(std::unique_ptr<Connection> connection, Admission::Place place, Counter& counter,
               const ServerLimits& limits);

  // What it waits for then.
  struct Wait {
    Poller::For what = Poller::For::read;
    MonoTime until{};
  };
  // To be called when what it waits for is there, its time is over, or the server was told to look
  // again. False: it is over, and the connection can go. May throw std::bad_alloc: then it is over
  // as well.
  [[nodiscard]] bool go_on();
  [[nodiscard]] const Wait& waits() const { return wait_; }

  // For who has to give way where there is no more room; in this order.
  enum class Rank : std::uint8_t {
    dawdling,  // has been here for a while and has not asked for anything yet
    idle,      // between two requests, or its client does not take the answer
    new_here,  // may be about to ask
    busy,      // in the middle of something; never gives way
  };
  [[nodiscard]] Rank rank(MonoTime now) const;
  // Since when it is so.
  [[nodiscard]] MonoTime since() const { return since_; }
  // Wants a turn when the server is told to look again.
  [[nodiscard]] bool looks_on() const {
    return phase_ == Phase::streaming || phase_ == Phase::waiting;
  }

  [[nodiscard]] Connection& connection() { return *connection_; }
  [[nodiscard]] const Admission::Place& place() const { return place_; }

 private:
  enum class Phase : std::uint8_t {
    handshake,
    idle,       // no byte of a request yet
    head,       // some bytes of its head
    body,       // the head, and some bytes of its body
    waiting,    // for its answer
    streaming,  // the answer has no end
    flushing,   // the answer, or a piece of the stream, is on its way
    lingering,  // the last answer is out; what the client still sends is read away
    over,
  };

  void enter(Phase phase, Milliseconds patience);
  void pause(Poller::For what, MonoTime until);
  void pause_for(Io io);
  // Each goes on until it has to pause or is in another phase.
  void shake_hands();
  void stay_idle();
  void read_head();
  void read_body();
  void read_on();
  void wait_for_answer();
  void stream_on();
  void flush();
  void linger();

  [[nodiscard]] bool is_late() const;
  void begin_request(std::size_t head_size);
  void answer_request(const Head& head);
  void give(Response response);
  void finish();
  void refuse(const Problem& problem);
  void refuse_late();
  // The other end is still there, as far as one can see; what it sends meanwhile is kept.
  [[nodiscard]] bool is_there();
  [[nodiscard]] bool is_within_memory();
  void end() { phase_ = Phase::over; }

  std::unique_ptr<Connection> connection_;
  Admission::Place place_;
  Counter& counter_;
  const ServerLimits& limits_;

  bool paused_ = false;     // the turn in hand is over
  std::size_t pieces_ = 0;  // that a stream gave in this turn

  Phase phase_ = Phase::handshake;
  Phase after_flush_ = Phase::idle;
  MonoTime deadline_{};  // of the phase
  MonoTime since_{};
  const MonoTime begun_ = std::chrono::steady_clock::now();
  Wait wait_;
  std::size_t requests_ = 0;
  std::size_t head_size_ = 0;
  std::size_t request_size_ = 0;    // head and body
  std::size_t looked_through_ = 0;  // of the input, for the end of the head
  AnswerForm form_;
  std::unique_ptr<BodyStream> stream_;
  std::unique_ptr<LaterAnswer> later_;
};

}  // namespace noforce::api
